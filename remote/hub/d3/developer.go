package d3

import (
	"errors"
	"net/http"
	"time"

	"dropfs/remote/hub/store"
	"dropfs/remote/hub/web"
)

// maxAudit is how many tries audit tells.
const maxAudit = 500

// hookJSON is a webhook; its secret is told when it is made, and never again.
type hookJSON struct {
	ID      string `json:"id"`
	URL     string `json:"webhook_url"`
	Secret  string `json:"webhook_secret,omitempty"`
	Signed  bool   `json:"signed"`
	Created string `json:"created_at"`
}

func hookItem(h store.D3Hook) hookJSON {
	return hookJSON{ID: h.ID, URL: h.URL, Signed: h.Secret != "", Created: h.Created.UTC().Format(time.RFC3339)}
}

// hookSpec is a webhook as a request orders it.
type hookSpec struct {
	URL     string `json:"webhook_url"`
	Secret  string `json:"webhook_secret"`
	URL2    string `json:"url"`
	Secret2 string `json:"secret"`
}

func (s hookSpec) normal() hookSpec {
	if s.URL == "" {
		s.URL = s.URL2
	}
	if s.Secret == "" {
		s.Secret = s.Secret2
	}
	return s
}

func (a *API) checkHook(s hookSpec) error {
	if err := CheckHook(s.URL, a.cfg.PrivateHooks); err != nil {
		return invalid("webhook_url: " + err.Error() + ".")
	}
	if len(s.Secret) > 512 {
		return invalid("webhook_secret must be at most 512 bytes.")
	}
	return nil
}

// generateKey makes a key, for a key that may make others (wire/d3.md §2).
func (a *API) generateKey(w http.ResponseWriter, r *http.Request, key store.Key) error {
	var q struct {
		Name string `json:"name"`
		hookSpec
	}
	if err := web.ReadJSON(r, jsonLimit, &q); err != nil {
		return err
	}
	spec := q.normal()
	if !key.MayCreate {
		return &failure{http.StatusForbidden, "forbidden", "The API key may not make others.", nil}
	}
	if len(q.Name) > 64 {
		return invalid("name must be at most 64 bytes.")
	}
	if spec.URL != "" {
		if err := a.checkHook(spec); err != nil {
			return err
		}
		if spec.Secret == "" {
			spec.Secret = "whsec_" + store.NewID(32)
		}
	}
	if q.Name == "" {
		q.Name = "d3"
	}
	text := "d3_live_" + store.NewID(40)
	made, err := a.cfg.Store.AddKey(r.Context(), store.Key{Name: q.Name + "-" + store.NewID(8), Parent: key.ID}, a.cfg.HashKey(text))
	if err != nil {
		return err
	}
	if spec.URL != "" {
		if _, err := a.cfg.Store.AddD3Hook(r.Context(), store.D3Hook{Owner: made.ID, URL: spec.URL, Secret: spec.Secret}); err != nil {
			return err
		}
	}
	return success(w, struct {
		Key     string `json:"api_key"`
		Rate    string `json:"rate_limit,omitempty"`
		URL     string `json:"webhook_url,omitempty"`
		Secret  string `json:"webhook_secret,omitempty"`
		Created string `json:"created_at"`
	}{text, a.cfg.RateText, spec.URL, spec.Secret, made.Created.UTC().Format(time.RFC3339)})
}

func (a *API) addHook(w http.ResponseWriter, r *http.Request, key store.Key) error {
	var q hookSpec
	if err := web.ReadJSON(r, jsonLimit, &q); err != nil {
		return err
	}
	q = q.normal()
	if err := a.checkHook(q); err != nil {
		return err
	}
	h, err := a.cfg.Store.AddD3Hook(r.Context(), store.D3Hook{Owner: key.ID, URL: q.URL, Secret: q.Secret})
	if errors.Is(err, store.ErrQuota) {
		return conflict("too_many", "The API key has too many webhooks.")
	}
	if err != nil {
		return err
	}
	j := hookItem(h)
	j.Secret = h.Secret
	return success(w, j)
}

func (a *API) listHooks(w http.ResponseWriter, r *http.Request, key store.Key) error {
	hooks, err := a.cfg.Store.D3Hooks(r.Context(), key.ID)
	if err != nil {
		return err
	}
	list := make([]hookJSON, len(hooks))
	for i, h := range hooks {
		list[i] = hookItem(h)
	}
	return success(w, map[string]any{"webhooks": list})
}

func (a *API) deleteHook(w http.ResponseWriter, r *http.Request, key store.Key) error {
	err := a.cfg.Store.DeleteD3Hook(r.Context(), key.ID, r.PathValue("hook"))
	if errors.Is(err, store.ErrNotFound) {
		return missing("There is no such webhook.")
	}
	if err != nil {
		return err
	}
	return success(w, map[string]string{"message": "Webhook deleted"})
}

// attemptJSON is one try of a delivery (wire/d3.md §12).
type attemptJSON struct {
	Event   string `json:"event_type"`
	URL     string `json:"target_url"`
	Payload string `json:"payload"`
	Status  int    `json:"response_status,omitempty"`
	Number  int    `json:"attempt_number"`
	Result  string `json:"status"`
	Message string `json:"error_message,omitempty"`
	Sent    string `json:"sent_at"`
}

func (a *API) audit(w http.ResponseWriter, r *http.Request, key store.Key) error {
	tries, err := a.cfg.Store.D3Attempts(r.Context(), key.ID, maxAudit)
	if err != nil {
		return err
	}
	list := make([]attemptJSON, len(tries))
	for i, t := range tries {
		list[i] = attemptJSON{
			Event: t.Event, URL: t.URL, Payload: t.Payload, Status: t.Status, Number: t.Number, Result: "failed",
			Message: t.Message, Sent: t.Sent.UTC().Format(time.RFC3339Nano),
		}
		if t.Succeeded {
			list[i].Result = "success"
		}
	}
	return success(w, map[string]any{"audit": list})
}
