package d3

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"dropfs/remote"
	"dropfs/remote/httpx"
)

// Question is asked of supported-operation: what can be done with an extension; with Action, how; with To, whether.
type Question struct {
	Ext    string
	Action Action // "": which there are
	To     string // of Convert; "": which there are
}

// Support is its answer.
type Support struct {
	Supported bool
	Actions   []Action // lower case; without Question.Action
	To        []string // Convert: extensions, lower case, without a dot
	Levels    []string // Compress
	// Options are the further parameters that the service lists, by the extension that they are for; those for all are
	// under "".
	Options map[string][]string
}

// For lists the options for one target.
func (s Support) For(to string) []string {
	return slices.Compact(slices.Sorted(slices.Values(slices.Concat(s.Options[""], s.Options[to]))))
}

type answered struct {
	support Support
	until   time.Time
}

// Supported asks what the service can do, once in a while (B7). The answer is shared and must not be changed.
func (c *Client) Supported(ctx context.Context, q Question) (Support, error) {
	q.Ext, q.To = bare(q.Ext), bare(q.To)
	q.Action = Action(strings.ToLower(string(q.Action)))
	body := map[string]any{"ext": q.Ext}
	if q.Action != "" {
		body["action"] = q.Action
	}
	if q.To != "" {
		body["parameters"] = map[string]string{"convert_to": q.To}
	}
	if q.Ext == "" || q.To != "" && q.Action != Convert {
		return Support{}, &remote.Error{Kind: remote.ErrInvalid, Op: "ask for abilities", Subject: q.Ext, Message: "no such question"}
	}
	name := strings.Join([]string{q.Ext, string(q.Action), q.To}, "\x00")
	if a, ok := c.asked.Get(name); ok && time.Now().Before(a.until) {
		return a.support, nil
	}
	var s Support
	r := httpx.Request{Op: "ask for abilities", Subject: q.Ext, Method: http.MethodPost, JSON: body, Repeat: true}
	ctx = httpx.WithDefaultPriority(ctx, httpx.Poller)
	err := c.call(ctx, r, "/supported-operation", decoded(func(o object) error {
		var err error
		s, err = readSupport(o, q)
		return err
	}))
	if err != nil {
		return Support{}, err
	}
	c.asked.Add(name, answered{s, time.Now().Add(c.cfg.AskedFor)})
	return s, nil
}

func bare(ext string) string { return strings.TrimPrefix(strings.ToLower(ext), ".") }

// readSupport reads the answer of supported-operation (wire/d3.md §7).
func readSupport(o object, q Question) (Support, error) {
	p := o.object("parameters")
	var s Support
	for _, a := range words(o["availableactions"]) {
		s.Actions = append(s.Actions, Action(strings.NewReplacer("-", "_", " ", "_").Replace(a)))
	}
	s.To, s.Levels = words(p["convertto"]), words(p["compressionvalue"])
	supported, said := o.flag("supported")
	if !said && s.Actions == nil && len(p) == 0 {
		return Support{}, errors.New("nothing about the extension")
	}
	if s.Supported = supported; !said {
		s.Supported = len(s.Actions) > 0 || len(s.To) > 0 || len(s.Levels) > 0
	}
	if q.To == "" && q.Action != "" {
		s.Options = readOptions(o["parameters"], s.To)
	}
	return s, nil
}

// readOptions finds the parameters beyond the documented ones: each by its own name, or all under "options", as a list or
// by name, for all targets or by target.
func readOptions(parameters json.RawMessage, targets []string) map[string][]string {
	out := map[string][]string{}
	add := func(to string, names ...string) {
		for _, n := range names {
			if n = strings.ToLower(n); len(n) <= maxWord && len(out[to]) < maxOptions && !slices.Contains(out[to], n) {
				out[to] = append(out[to], n)
			}
		}
	}
	var all, by map[string]json.RawMessage
	_ = json.Unmarshal(parameters, &all) // nil where it is no object
	for _, name := range slices.Sorted(maps.Keys(all)) {
		switch squeeze(name) {
		case "convertto", "compressionvalue", "password", "oldpassword", "newpassword":
		case "options":
			if json.Unmarshal(all[name], &by) != nil {
				add("", words(all[name])...)
			}
		default:
			add("", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(by)) {
		if to := bare(name); slices.Contains(targets, to) {
			add(to, words(by[name])...)
		} else {
			add("", name)
		}
	}
	return out
}

// maxOptions bounds the options of one target.
const maxOptions = 100
