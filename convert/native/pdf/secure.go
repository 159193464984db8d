package pdf

import (
	"io"

	"dropfs/convert"
)

func (d *document) encrypted() bool { return d.g.call("EPDF_IsEncrypted", uint64(d.ref)) != 0 }

// lock writes the document, locked with a password. One that is locked already stays so.
func (d *document) lock(w io.Writer, password string) error {
	if d.encrypted() {
		return d.g.fail(convert.ErrLocked, "it is locked already")
	}
	b, err := d.saved()
	if err != nil {
		return err
	}
	return lock(w, b, password)
}

// unlock writes the document without its lock. One that only says what may not be done with it, and opens without a
// secret, needs its secret all the same (P6).
func (d *document) unlock(w io.Writer, job convert.Job) error {
	switch {
	case !d.encrypted():
		return copySource(w, job)
	case job.Step.Options["secret"] == "":
		return d.g.fail(convert.ErrLocked, "it needs a secret")
	}
	return d.save(w)
}

// relock writes the document locked with another password.
func (d *document) relock(w io.Writer, password string) error {
	if !d.encrypted() {
		return d.g.fail(convert.ErrUnsupported, "it is not locked")
	}
	b, err := d.saved()
	if err != nil {
		return err
	}
	return lock(w, b, password)
}
