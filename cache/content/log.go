package content

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
)

// The log of local ranges: beside dirty content of which not all is here stands a file ID.log, a row of records of two
// little-endian uint64, offset and end of a range whose bytes are the user's own. A record is written after its bytes
// and before the write is acknowledged, so that after a kill no such byte is taken for missing and fetched over (C6). A
// record never crosses a page, so that a kill cannot tear it; a record of zeros, as a power loss may leave, says nothing.
// When the content becomes complete a record says that all is here, for from then on writes are not logged.
const (
	logSuffix  = ".log"
	newSuffix  = ".new" // of a log that is being written anew
	recordSize = 16
)

// SetDirty says that the content is, or is no longer, changed against what the service has. The caller commits it to the
// index first (C2): before SetDirty(true) the state and extents that were, before SetDirty(false) that it is complete and
// clean. Partial content that was changed cannot be clean (ErrMissing).
func (f *File) SetDirty(on bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if on && !f.complete.Load() && f.log == nil {
		if err := f.startLog(&f.ext); err != nil {
			return f.wrap("mark dirty", full(err))
		}
	}
	if !on && f.owned && !f.complete.Load() {
		return f.wrap("mark clean", ErrMissing)
	}
	f.dirty.Store(on)
	s := f.s
	s.mu.Lock()
	s.chargeLocked(f.entry, f.entry.alloc, on, f.entry.pinned)
	if !on {
		s.roomLocked()
	}
	s.mu.Unlock()
	if on {
		return nil
	}
	return f.wrap("mark clean", f.endLog())
}

// Dirty tells what SetDirty said last.
func (f *File) Dirty() bool { return f.dirty.Load() }

// startLog begins the log anew with all of ext.
func (f *File) startLog(ext *Extents) error {
	tmp := f.s.logPath(f.id) + newSuffix
	log, err := os.OpenFile(tmp, os.O_RDWR|os.O_CREATE|os.O_TRUNC|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	var buf []byte
	for _, r := range ext.runs {
		buf = appendRecord(buf, r.Off, r.End)
	}
	_, err = log.Write(buf)
	if err == nil {
		err = os.Rename(tmp, f.s.logPath(f.id)) // the old one stays whole until the new one is
	}
	if err != nil {
		return errors.Join(err, log.Close(), removeIfThere(tmp))
	}
	f.log, f.created = log, true
	return nil
}

// endLog removes the log, the index knowing all that it says.
func (f *File) endLog() error {
	if f.log == nil {
		return nil
	}
	err := f.log.Close()
	f.log = nil
	return errors.Join(err, removeIfThere(f.s.logPath(f.id)))
}

// own makes [off, end) local bytes, with mu held exclusively.
func (f *File) own(off, end int64) error {
	if f.log != nil {
		if _, err := f.log.Write(appendRecord(nil, off, end)); err != nil {
			return full(err)
		}
	}
	f.owned = true
	f.ext.Add(off, end)
	return nil
}

// ownAll records that the content is complete; false when it could not be.
func (f *File) ownAll() bool {
	if f.log == nil {
		return true
	}
	_, err := f.log.Write(appendRecord(nil, 0, maxOffset))
	return err == nil
}

func appendRecord(b []byte, off, end int64) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(off))
	return binary.LittleEndian.AppendUint64(b, uint64(end))
}

// openLog takes over the log that an earlier run left for dirty content of size bytes.
func (f *File) openLog(size int64) error {
	data, err := os.ReadFile(f.s.logPath(f.id))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	readLog(data, size, &f.ext)
	f.owned = true
	if err := f.startLog(&f.ext); err != nil {
		return full(err)
	}
	f.checkComplete(size)
	return nil
}

// readLog adds what the records say, as far as it lies in [0, size).
func readLog(data []byte, size int64, ext *Extents) {
	for ; len(data) >= recordSize; data = data[recordSize:] {
		off := int64(binary.LittleEndian.Uint64(data))
		end := int64(binary.LittleEndian.Uint64(data[8:]))
		if off >= 0 && off < end {
			ext.Add(off, min(end, size))
		}
	}
}

var _ io.ReaderAt = (*File)(nil)
