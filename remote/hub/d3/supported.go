package d3

import (
	"context"
	"net/http"
	"slices"
	"time"

	"dropfs/convert"
	"dropfs/convert/magic"
	"dropfs/remote/hub/store"
	"dropfs/remote/hub/web"
)

// question is what supported-operation is asked.
type question struct {
	Ext        string         `json:"ext"`
	Action     string         `json:"action"`
	Parameters map[string]any `json:"parameters"`
}

// support is its answer (wire/d3.md §7).
type support struct {
	Supported  bool           `json:"supported"`
	Ext        string         `json:"ext"`
	Action     string         `json:"action,omitempty"`
	Available  []string       `json:"available_actions,omitempty"`
	Available2 []string       `json:"availableActions,omitempty"` // the same, for clients that know only this spelling
	Parameters map[string]any `json:"parameters,omitempty"`
}

// supported is supported-operation, by POST and by GET, whose query has the parameters flat.
func (a *API) supported(w http.ResponseWriter, r *http.Request, _ store.Key) error {
	q := question{Parameters: map[string]any{}}
	if r.Method == http.MethodPost {
		if err := web.ReadJSON(r, jsonLimit, &q); err != nil {
			return err
		}
	} else {
		for name, values := range r.URL.Query() {
			q.Parameters[name] = values[0]
		}
		q.Ext, q.Action = r.URL.Query().Get("ext"), r.URL.Query().Get("action")
		delete(q.Parameters, "ext")
		delete(q.Parameters, "action")
	}
	ext := bareExt(q.Ext)
	if ext == "" || len(ext) > 64 {
		return invalid("ext is required.")
	}
	a.settle(r.Context(), answerSettle)
	return success(w, a.answer(ext, actionName(q.Action), q.Parameters))
}

// How long an answer, and a task, wait for engines that are still being looked for.
const (
	answerSettle = 10 * time.Second // the clients give up after 30 s (wire/d3.md §11)
	taskSettle   = time.Minute
)

// settle has what a hub says of its engines right after its start be what it would say later (T15).
func (a *API) settle(ctx context.Context, limit time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	a.cfg.Convert.Settle(ctx)
}

func (a *API) answer(ext, action string, parameters map[string]any) support {
	offers := a.offers(ext)
	s := support{Ext: ext, Action: action}
	actions := actionsOf(offers)
	if action == "" {
		s.Supported, s.Available, s.Available2 = len(actions) > 0, actions, actions
		return s
	}
	if s.Supported = slices.Contains(actions, action); !s.Supported {
		return s
	}
	s.Parameters = parametersOf(action, offers)
	for k, v := range parameters {
		if text, err := parameterText(v); err == nil && text == "" {
			delete(parameters, k)
		}
	}
	if len(parameters) > 0 {
		s.Supported = a.can(ext, action, parameters)
	}
	return s
}

// offers are what do takes of files of an extension. What makes one file of several is planned for several: a way that
// only one file has is not offered.
func (a *API) offers(ext string) []convert.Offer {
	var out []convert.Offer
	for _, o := range a.cfg.Convert.Offers(ext) {
		if (magic.Step{Op: o.Op}).Kind() == magic.Dirop {
			continue
		}
		if together(o.Op) {
			plan, err := a.cfg.Convert.Plan(magic.Step{Op: o.Op}, ext, true)
			if err != nil {
				continue
			}
			last := plan[len(plan)-1]
			o.To, o.Options, o.Plan = last.To, slices.Clone(last.Edge.Options), plan
		}
		out = append(out, o)
	}
	return out
}

// can tells whether do would take these parameters; a password need not be there yet.
func (a *API) can(ext, action string, parameters map[string]any) bool {
	for _, p := range passwords[action] {
		if parameters[p] == nil {
			parameters[p] = "-"
		}
	}
	o, err := readOrder(action, parameters)
	if err != nil {
		return false
	}
	_, err = a.cfg.Convert.Plan(o.Step, ext, together(o.Step.Op))
	return err == nil
}

// actionsOf names what can be done, in order.
func actionsOf(offers []convert.Offer) []string {
	var out []string
	for _, o := range offers {
		if (magic.Step{Op: o.Op}).Kind() == magic.Action {
			out = append(out, o.Op)
		} else if !slices.Contains(out, "convert") {
			out = append(out, "convert")
		}
	}
	slices.Sort(out)
	return out
}

// parametersOf describes the parameters of an action: those of the wire, and in options those that the engines take
// beyond them, of convert by target.
func parametersOf(action string, offers []convert.Offer) map[string]any {
	out := map[string]any{}
	if action == "convert" {
		targets, options := map[string][]string{}, map[string][]string{}
		for _, o := range offers {
			if (magic.Step{Op: o.Op}).Kind() == magic.Action {
				continue
			}
			targets[category(o.Op)] = append(targets[category(o.Op)], o.Op)
			if l := open(o); len(l) > 0 {
				options[o.Op] = l
			}
		}
		out["convert_to"] = targets
		if len(options) > 0 {
			out["options"] = options
		}
		return out
	}
	for _, p := range passwords[action] {
		out[p] = map[string]any{"type": "string", "required": true}
	}
	for _, o := range offers {
		if o.Op != action {
			continue
		}
		l := open(o)
		if action == magic.Compress {
			out["compression_value"] = levels(slices.Contains(l, "level"))
			l = slices.DeleteFunc(l, func(s string) bool { return s == "level" })
		}
		if len(l) > 0 {
			out["options"] = l
		}
	}
	return out
}

// open are the options that a request may have.
func open(o convert.Offer) []string {
	l := slices.DeleteFunc(slices.Clone(o.Options), func(s string) bool {
		return s == "secret" || s == "new_secret" || s == "via" || !slices.Contains(magic.Keys(), s)
	})
	slices.Sort(l)
	return slices.Compact(l)
}

// level is one value of compression_value.
type level struct {
	Name        string `json:"name"`
	Value       string `json:"value"`
	Description string `json:"description"`
}

// levels lists them; an engine that has no levels has the one that nobody asks for.
func levels(all bool) []level {
	l := []level{
		{"Recommended", "recommended", "a balance of size and quality"},
		{"High", "high", "the smallest file"},
		{"Low", "low", "the best quality"},
	}
	if !all {
		return l[:1]
	}
	return l
}

// categories are the kinds of target, as the wire calls them.
var categories = []struct {
	name string
	exts []string
}{
	{"IMAGE", []string{"png", "jpg", "webp", "avif", "jxl", "heic", "gif", "tiff", "bmp", "svg"}},
	{"DOCUMENT", []string{"pdf", "docx", "doc", "odt", "rtf", "epub", "md", "html", "txt"}},
	{"PRESENTATION", []string{"pptx", "odp", "ppt"}},
	{"SPREADSHEET", []string{"xlsx", "ods", "xls", "csv", "tsv"}},
	{"AUDIO", []string{"mp3", "opus", "ogg", "flac", "wav", "m4a", "aac"}},
	{"VIDEO", []string{"mp4", "webm", "mkv", "mov", "avi"}},
	{"ARCHIVE", []string{"zip", "tar", "tgz", "tzst"}},
}

// category is that of an extension.
func category(ext string) string {
	for _, c := range categories {
		if slices.Contains(c.exts, ext) {
			return c.name
		}
	}
	return "DATA"
}
