package hub

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"dropfs/remote"
	"dropfs/remote/hub/d3"
	"dropfs/remote/hub/dropzone"
	"dropfs/remote/hub/store"
)

// KeyInfo is what is known of a key.
type KeyInfo struct {
	Name     string
	PublicID string
	Created  time.Time
	GBMonths float64 // left; negative: unlimited
	Embedded bool
	Revoked  bool
}

// Errors of the administration of keys.
var (
	ErrKeyExists   = errors.New("a key of this name exists")
	ErrKeyNotFound = errors.New("no such key")
	ErrKeyName     = errors.New("a key's name is 1 to 128 bytes")
)

func keyInfo(k store.Key) KeyInfo {
	i := KeyInfo{
		Name: k.Name, PublicID: k.ID, Created: k.Created, GBMonths: float64(k.Balance) / 1000, Embedded: k.Embedded,
		Revoked: k.Revoked,
	}
	if k.Unlimited {
		i.GBMonths = -1
	}
	return i
}

// allowance splits GB-months as given into thousandths and no limit.
func allowance(gbMonths float64) (milli int64, unlimited bool) {
	if gbMonths < 0 {
		return 0, true
	}
	return int64(math.Round(min(gbMonths, 1e12) * 1000)), false
}

// CreateKey makes a key; its text is answered here and nowhere else (H4). gbMonths negative is unlimited.
func (h *Hub) CreateKey(ctx context.Context, name string, gbMonths float64) (remote.Secret, KeyInfo, error) {
	if name == "" || len(name) > 128 {
		return "", KeyInfo{}, ErrKeyName
	}
	text := dropzone.NewKeyText()
	milli, unlimited := allowance(gbMonths)
	k, err := h.store.AddKey(ctx, store.Key{
		Name: name, Balance: milli, Granted: milli, Unlimited: unlimited, MayCreate: true,
	}, dropzone.HashKey(text))
	if errors.Is(err, store.ErrNameTaken) {
		return "", KeyInfo{}, fmt.Errorf("key %s: %w", name, ErrKeyExists)
	}
	if err != nil {
		return "", KeyInfo{}, fmt.Errorf("create key %s: %w", name, err)
	}
	return remote.Secret(text), keyInfo(k), nil
}

// ErrWebhook is a webhook that is none.
var ErrWebhook = errors.New("not a webhook")

// CheckWebhook tells whether events can be sent to a URL. Whether the address may be used is seen when it is.
func CheckWebhook(url string) error {
	if err := d3.CheckHook(url, true); err != nil {
		return fmt.Errorf("%w: %w", ErrWebhook, err)
	}
	return nil
}

// AddWebhook tells a URL of the events of a key of the D3 wire, signed with secret where that is not "". key is the public
// id.
func (h *Hub) AddWebhook(ctx context.Context, key, url string, secret remote.Secret) error {
	if err := CheckWebhook(url); err != nil {
		return err
	}
	_, err := h.store.AddD3Hook(ctx, store.D3Hook{Owner: key, URL: url, Secret: secret.Reveal()})
	return err
}

// Keys lists all keys, the revoked ones too, oldest first.
func (h *Hub) Keys(ctx context.Context) ([]KeyInfo, error) {
	keys, err := h.store.Keys(ctx)
	if err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	out := make([]KeyInfo, len(keys))
	for i, k := range keys {
		out[i] = keyInfo(k)
	}
	return out, nil
}

// RevokeKey ends a key, by its name or public id. Its drops stay until they expire.
func (h *Hub) RevokeKey(ctx context.Context, name string) error {
	err := h.store.RevokeKey(ctx, name)
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("key %s: %w", name, ErrKeyNotFound)
	}
	return err
}

// ensureKey makes a key of the command line be there.
func (h *Hub) ensureKey(ctx context.Context, spec KeySpec) error {
	text := spec.Key.Reveal()
	if text == "" {
		return errors.New("an empty key was given")
	}
	milli, unlimited := allowance(spec.GBMonths)
	hash := dropzone.HashKey(text)
	_, err := h.store.EnsureKey(ctx, store.Key{
		Name: "given-" + hash[:12], Granted: milli, Unlimited: unlimited || spec.Embedded, Embedded: spec.Embedded,
		MayCreate: true,
	}, hash)
	return err
}
