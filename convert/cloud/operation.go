package cloud

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"dropfs/convert"
	"dropfs/convert/magic"
	"dropfs/remote"
	"dropfs/remote/d3"
)

// operation is what the service is to do for a job, and the secrets in it.
func (e *Engine) operation(job convert.Job) (d3.Operation, []remote.Secret, error) {
	op := d3.Operation{Action: d3.Action(job.Edge.Op)}
	if len(job.Sources) == 0 {
		return op, nil, fmt.Errorf("%w: no source", convert.ErrUnsupported)
	}
	extra := magic.Options{}
	for key, value := range job.Step.Options {
		switch key {
		case "via", "secret", "new_secret":
		default:
			if !slices.Contains(job.Edge.Options, key) {
				return op, nil, fmt.Errorf("%w: no option %s", convert.ErrUnsupported, key)
			}
			extra[key] = value
		}
	}
	var err error
	switch job.Edge.Op {
	case magic.Compress:
		op.Level = extra.Get("level")
		delete(extra, "level")
	case magic.Lock, magic.Unlock:
		op.Password, err = secret(job, "secret")
	case magic.ResetPassword:
		if op.Password, err = secret(job, "secret"); err == nil {
			op.NewPassword, err = secret(job, "new_secret")
		}
	case magic.Merge, magic.Zip, magic.OCR, magic.Thumb:
	default:
		op.Action, op.To = d3.Convert, e.spelling(job.Edge.From, job.Edge.To)
	}
	if len(extra) > 0 {
		op.Options = extra
	}
	return op, []remote.Secret{op.Password, op.NewPassword}, err
}

// spelling is how the service writes a target.
func (e *Engine) spelling(from, to string) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if s := e.known[from].spelled[to]; s != "" {
		return s
	}
	return to
}

// secret reads the secret that an option names.
func secret(job convert.Job, key string) (remote.Secret, error) {
	name := job.Step.Options[key]
	if name == "" || job.Secret == nil {
		return "", fmt.Errorf("%w: %s needs %s", convert.ErrLocked, job.Step.Op, key)
	}
	s, err := job.Secret(name)
	if err != nil {
		return "", fmt.Errorf("%w: secret %s: %w", convert.ErrLocked, name, err)
	}
	if s == "" {
		return "", fmt.Errorf("%w: secret %s is empty", convert.ErrLocked, name)
	}
	return remote.Secret(s), nil
}

// names are what the sources are called at the service: the same for each content, but in an archive, whose members keep
// their names. Names with directories cannot be sent.
func names(job convert.Job) ([]string, error) {
	out := make([]string, len(job.Sources))
	taken := map[string]bool{}
	for i, s := range job.Sources {
		ext := s.Ext
		if ext == "" {
			ext = "bin"
		}
		if out[i] = "file." + ext; job.Edge.Op != magic.Zip {
			continue
		}
		if s.Name == "" || len(s.Name) > 255 || !utf8.ValidString(s.Name) || strings.ContainsAny(s.Name, "/\\\x00") {
			return nil, fmt.Errorf("%w: %q cannot be sent as a name", convert.ErrUnsupported, s.Name)
		}
		out[i] = s.Name
		suffix := path.Ext(s.Name)
		for n := 2; taken[out[i]]; n++ {
			out[i] = fmt.Sprintf("%s (%d)%s", strings.TrimSuffix(s.Name, suffix), n, suffix)
		}
		taken[out[i]] = true
	}
	return out, nil
}
