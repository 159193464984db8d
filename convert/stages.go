package convert

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"sync"
	"time"

	"dropfs/convert/magic"
)

// stage is one step of a request with its plan and the key of what it makes. The key is a hash, of secrets too: it tells
// none.
type stage struct {
	step magic.Step
	plan Plan
	key  Key
	ext  string // of its source
}

func (b *Broker) registry(r Request) *Registry {
	if r.Registry != nil {
		return r.Registry
	}
	return b.cfg.Registry
}

// stages plans the steps of a request. A dirop is the last, and its stage lists.
func (b *Broker) stages(r Request) ([]stage, error) {
	ext := magic.Ext(r.Ext)
	var out []stage
	said := ""
	for i, step := range r.Steps {
		plan, err := b.registry(r).Plan(step, ext, r.Many && i == 0)
		if err != nil {
			return nil, err
		}
		said += step.Key() + " " + plan.Key() + secretsOf(step, r.Secret) + "\n"
		part := ""
		if i == len(r.Steps)-1 {
			part = r.Part
		}
		h := sha256.Sum256([]byte(r.Version + "\x00" + said + "\x00" + part))
		out = append(out, stage{step, plan, Key(hex.EncodeToString(h[:])), ext})
		ext = plan[len(plan)-1].To
	}
	return out, nil
}

// fixed is r with one value of each secret, whatever is set while it is done.
func (r Request) fixed() Request {
	if r.Secret == nil {
		return r
	}
	type answer struct {
		value string
		err   error
	}
	ask, known, mu := r.Secret, map[string]answer{}, sync.Mutex{}
	r.Secret = func(name string) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		a, ok := known[name]
		if !ok {
			a.value, a.err = ask(name)
			known[name] = a
		}
		return a.value, a.err
	}
	return r
}

// secretsOf stands for the values of the secrets that a step names: with another value it makes something else, and where
// there is none nothing that was made with one is to be had.
func secretsOf(step magic.Step, secret func(string) (string, error)) string {
	out := ""
	for _, option := range []string{"secret", "new_secret"} {
		name := step.Options[option]
		if name == "" {
			continue
		}
		value, err := "", error(ErrLocked)
		if secret != nil {
			value, err = secret(name)
		}
		if err != nil {
			out += " no " + option
			continue
		}
		h := sha256.Sum256([]byte(value))
		out += " " + option + " " + hex.EncodeToString(h[:])
	}
	return out
}

// Plan answers the key of what a request makes, and the extension of it; ErrUnsupported where it cannot be made.
func (b *Broker) Plan(r Request) (Key, string, error) {
	stages, err := b.stages(r)
	if err != nil {
		return "", "", err
	}
	last := stages[len(stages)-1]
	return last.key, last.plan[len(last.plan)-1].To, nil
}

// settleLimit bounds what a plan waits for engines.
const settleLimit = 6 * time.Second

// PlanSettled is Plan that waits for engines which do not know yet what they can do (Settler), so that a name stands for the
// same a moment later. A service that is not asked first is waited for only where no other engine can.
func (b *Broker) PlanSettled(ctx context.Context, r Request) (Key, string, error) {
	ctx, cancel := context.WithTimeout(ctx, settleLimit)
	defer cancel()
	registry := b.registry(r)
	settle(ctx, registry.local)
	if registry.remoteFirst {
		settle(ctx, registry.remote)
	}
	key, ext, err := b.Plan(r)
	if err != nil && settle(ctx, registry.remote) {
		key, ext, err = b.Plan(r)
	}
	return key, ext, err
}

// Settle waits until the engines know what they can do (Settler), or ctx ends.
func (r *Registry) Settle(ctx context.Context) { settle(ctx, r.Engines()) }

// settle waits for engines, and tells whether there was anything to wait for.
func settle(ctx context.Context, engines []Engine) (waited bool) {
	for _, e := range engines {
		s, ok := e.(Settler)
		if !ok {
			continue
		}
		select {
		case <-s.Settled():
			continue
		default:
		}
		waited = true
		select {
		case <-s.Settled():
		case <-ctx.Done():
			return true
		}
	}
	return waited
}
