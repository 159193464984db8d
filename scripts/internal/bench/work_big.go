package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"
)

const (
	bigName = "large.bin"
	block   = 1 << 20 // bytes of one read or write of the large file
	page    = 4096
)

// pattern is bytes that no file system can guess, the same at each call.
func pattern(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b) // never fails
	return b
}

// writeBig writes the large file, without a sync, and closes it.
func writeBig(t task) (figures, error) {
	data := pattern(block)
	f, err := os.OpenFile(filepath.Join(t.Dir, bigName), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	for off := int64(0); off < t.Bytes; off += block {
		if _, err := f.Write(data); err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
	err = f.Close()
	return figures{"rate": megabytes(t.Bytes, start)}, err
}

// pass reads an open file from its start to its end and checks that it is what writeBig wrote.
func pass(f *os.File, size int64, buf, want []byte) error {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	var got int64
	for {
		n, err := f.Read(buf)
		if want != nil && !bytes.Equal(buf[:n], want[got%block:got%block+int64(n)]) {
			return fmt.Errorf("%s: other bytes than were written, near %d", f.Name(), got)
		}
		got += int64(n)
		if errors.Is(err, io.EOF) || n == 0 {
			break
		}
		if err != nil {
			return err
		}
	}
	if got != size {
		return fmt.Errorf("%s: %d bytes of %d", f.Name(), got, size)
	}
	return nil
}

// readBig reads the large file once to warm it, then while the span lasts.
func readBig(t task) (figures, error) {
	f, err := os.Open(filepath.Join(t.Dir, bigName))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	buf, want := make([]byte, page), pattern(block)
	if err := pass(f, t.Bytes, buf, append(want, want[:page]...)); err != nil { // longer by a read that crosses a block
		return nil, err
	}
	buf = make([]byte, block)
	var read int64
	start := time.Now()
	for read == 0 || time.Since(start) < t.Span {
		if err := pass(f, t.Bytes, buf, nil); err != nil {
			return nil, err
		}
		read += t.Bytes
	}
	return figures{"rate": megabytes(read, start)}, nil
}

// readRandom reads pages anywhere in the large file while the span lasts.
func readRandom(t task) (figures, error) {
	f, err := os.Open(filepath.Join(t.Dir, bigName))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	at := rand.New(rand.NewPCG(1, 2))
	buf := make([]byte, page)
	n := 0
	start := time.Now()
	for n == 0 || time.Since(start) < t.Span {
		for range 64 { // the clock is not asked at each
			if _, err := f.ReadAt(buf, at.Int64N(t.Bytes/page)*page); err != nil {
				return nil, err
			}
		}
		n += 64
	}
	return figures{"rate": per(n, start)}, nil
}

// readCold reads the large file once. "first" is the milliseconds until the first page was there.
func readCold(t task) (figures, error) {
	start := time.Now()
	f, err := os.Open(filepath.Join(t.Dir, bigName))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	buf := make([]byte, block)
	if _, err := io.ReadFull(f, buf[:page]); err != nil {
		return nil, err
	}
	out := figures{"first": time.Since(start).Seconds() * 1e3}
	if err := pass(f, t.Bytes, buf, nil); err != nil {
		return nil, err
	}
	out["rate"] = megabytes(t.Bytes, start)
	return out, nil
}
