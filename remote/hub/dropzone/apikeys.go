package dropzone

import (
	"errors"
	"math"
	"net/http"

	"dropfs/remote/hub/store"
	"dropfs/remote/hub/web"
)

// keyJSON is what is told of a key; its text only when it is made.
type keyJSON struct {
	ID          string   `json:"_id"`
	PublicID    string   `json:"publicId"`
	Name        string   `json:"name"`
	CreatedAt   string   `json:"createdAt"`
	GBMonths    *float64 `json:"gbMonths"` // what is left; null: unlimited
	Unlimited   bool     `json:"unlimited"`
	Permissions []string `json:"permissions"`
	APIKey      string   `json:"apiKey,omitempty"`
	Key         string   `json:"key,omitempty"` // the same: no document says how the service names it
}

func keyItem(k store.Key) keyJSON {
	j := keyJSON{
		ID: k.ID, PublicID: k.ID, Name: k.Name, CreatedAt: iso(k.Created), Unlimited: k.Unlimited, Permissions: []string{},
	}
	if !k.Unlimited {
		left := float64(k.Balance) / 1000
		j.GBMonths = &left
	}
	if k.MayCreate {
		j.Permissions = append(j.Permissions, keyCreate)
	}
	return j
}

func (a *API) keyInfo(w http.ResponseWriter, r *http.Request) error {
	c, err := a.keyed(r)
	if err != nil {
		return err
	}
	return success(w, keyItem(*c.key))
}

// NewKeyText returns the text of a new key: 40 letters and digits, 230 bits.
func NewKeyText() string { return "dz_" + store.NewID(40) }

func (a *API) createKey(w http.ResponseWriter, r *http.Request) error {
	c, err := a.keyed(r)
	if err != nil {
		return err
	}
	if !c.key.MayCreate {
		return web.Fail(http.StatusForbidden, "The API key lacks the permission apikey.create.")
	}
	text := NewKeyText()
	k, err := a.cfg.Store.AddKey(r.Context(), store.Key{Name: "of-" + c.key.ID + "-" + store.NewID(8), Parent: c.key.ID},
		HashKey(text))
	if err != nil {
		return err
	}
	j := keyItem(k)
	j.APIKey, j.Key = text, text
	return success(w, j)
}

// transfer moves GB-months to another key.
func (a *API) transfer(w http.ResponseWriter, r *http.Request) error {
	c, err := a.keyed(r)
	if err != nil {
		return err
	}
	if !c.key.MayCreate {
		return web.Fail(http.StatusForbidden, "The API key lacks the permission apikey.create.")
	}
	var body struct {
		GBMonths *float64 `json:"gbMonths"`
	}
	if err := web.ReadJSON(r, jsonLimit, &body); err != nil {
		return err
	}
	if body.GBMonths == nil || !(*body.GBMonths >= 0.001 && *body.GBMonths <= 1e9) {
		return web.Fail(http.StatusBadRequest, "gbMonths must be a number greater than 0.")
	}
	from, to, err := a.cfg.Store.Transfer(r.Context(), c.key.ID, r.PathValue("key"), int64(math.Round(*body.GBMonths*1000)))
	if errors.Is(err, store.ErrNotFound) {
		return &web.Error{Status: http.StatusNotFound, Message: "No API key has this public id.", Err: err}
	}
	if err != nil {
		return err
	}
	left, there := keyItem(from).GBMonths, keyItem(to).GBMonths
	return success(w, struct {
		From        string   `json:"from"`
		To          string   `json:"to"`
		Transferred float64  `json:"transferred"`
		GBMonths    *float64 `json:"gbMonths"`   // of the sender; null: unlimited
		ToGBMonths  *float64 `json:"toGbMonths"` // of the receiver
	}{from.ID, to.ID, *body.GBMonths, left, there})
}
