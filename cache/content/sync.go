package content

import (
	"errors"
	"os"

	"dropfs/cache/content/sys"
)

// Sync makes the bytes and the attributes of the content file durable, and that it is there.
func (f *File) Sync() error { return f.sync("sync", (*os.File).Sync) }

// Datasync makes the bytes and the size durable, and that the file is there.
func (f *File) Datasync() error { return f.sync("datasync", sys.Datasync) }

func (f *File) sync(op string, fn func(*os.File) error) error {
	f.mu.RLock()
	file, log, created, err := f.file, f.log, f.created, f.syncErr
	f.mu.RUnlock()
	if err == nil {
		err = fn(file)
	}
	if err == nil && log != nil {
		if err = fn(log); errors.Is(err, os.ErrClosed) {
			err = nil // dropped meanwhile: the index knows
		}
	}
	if err == nil && created {
		err = f.s.syncShard(f.id)
	}
	f.mu.Lock()
	if err != nil {
		f.syncErr = err
	} else {
		f.created = false
	}
	f.mu.Unlock()
	return f.wrap(op, err)
}

// syncShard makes the names in the directory of id durable.
func (s *Store) syncShard(id ID) error {
	d, err := os.Open(s.dirOf(id))
	if err != nil {
		return err
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return err
	}
	made := &s.made[uint8(id)]
	if !made.Load() {
		return nil
	}
	if err := s.dir.Sync(); err != nil {
		return err
	}
	made.Store(false)
	return nil
}
