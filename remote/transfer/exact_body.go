package transfer

import (
	"crypto/md5"
	"encoding/hex"
	"errors"
	"hash"
	"io"

	"dropfs/remote"
)

// maxSummed is the size up to which a whole asset is summed while it is read.
const maxSummed = 8 << 20

// exactBody gives exactly left bytes of rc and then io.EOF, or an error (F5).
type exactBody struct {
	rc   io.ReadCloser
	src  Source
	left int64
	cut  bool // more bytes follow that were not asked for
	h    hash.Hash
	want string // md5, with h
	err  error  // the end, once reached
}

func (b *exactBody) expectMD5(want string) { b.h, b.want = md5.New(), want }

func (b *exactBody) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if b.left == 0 {
		b.err = b.atEnd()
		return 0, b.err
	}
	n, err := b.rc.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	if b.h != nil {
		b.h.Write(p[:n])
	}
	switch {
	case b.left == 0: // whatever came with the last byte, the end is judged by the next read
		if b.h != nil && hex.EncodeToString(b.h.Sum(nil)) != b.want {
			b.err = b.src.fail(remote.ErrCorrupt, "bytes other than the service has")
			return n, b.err
		}
		return n, nil
	case err != nil:
		b.err = b.mapError(err)
		return n, b.err
	}
	return n, nil
}

// atEnd answers io.EOF, unless the body goes on.
func (b *exactBody) atEnd() error {
	if b.cut {
		return io.EOF
	}
	var one [1]byte
	if n, _ := b.rc.Read(one[:]); n > 0 {
		return b.src.fail(remote.ErrCorrupt, "more bytes than announced")
	}
	return io.EOF
}

// mapError makes an early end ErrCorrupt, and leaves a broken connection what it is.
func (b *exactBody) mapError(err error) error {
	var re *remote.Error
	if errors.As(err, &re) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	return b.src.fail(remote.ErrCorrupt, "fewer bytes than announced")
}

func (b *exactBody) Close() error { return b.rc.Close() }
