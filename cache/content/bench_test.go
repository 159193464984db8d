package content_test

import (
	"context"
	"io"
	"testing"

	"dropfs/cache/content"
)

type zeros struct{ left int64 }

func (z *zeros) Read(p []byte) (int, error) {
	if z.left == 0 {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), z.left))
	z.left -= int64(n)
	return n, nil
}

func (z *zeros) Close() error { return nil }

func fromZeros(_ context.Context, _, n int64) (io.ReadCloser, error) { return &zeros{n}, nil }

func BenchmarkColdSequentialRead(b *testing.B) {
	s := newStore(b, content.Config{})
	const size = 64 << 20
	p := make([]byte, 128<<10)
	b.SetBytes(size)
	b.ReportAllocs()
	id := content.ID(0)
	for b.Loop() {
		id++
		f := must[*content.File](b)(s.Cold(id, size))
		for off := int64(0); off < size; off += int64(len(p)) {
			if _, err := f.Read(b.Context(), p, off, fromZeros); err != nil {
				b.Fatal(err)
			}
		}
		f.Release()
		if err := s.Remove(id); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkWarmRead4K(b *testing.B) {
	s := newStore(b, content.Config{})
	st := fill(b, s, 1, 1<<20, false)
	f := must[*content.File](b)(s.Open(1, st))
	defer f.Release()
	p := make([]byte, 4096)
	b.SetBytes(int64(len(p)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.ReadAt(p, 64<<10); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkWrite(b *testing.B) {
	for name, n := range map[string]int{"4K": 4 << 10, "1M": 1 << 20} {
		b.Run(name, func(b *testing.B) {
			s := newStore(b, content.Config{})
			f := must[*content.File](b)(s.Create(1))
			defer f.Release()
			p := make([]byte, n)
			b.SetBytes(int64(n))
			b.ReportAllocs()
			off := int64(0)
			for b.Loop() {
				if _, err := f.WriteAt(b.Context(), p, off); err != nil {
					b.Fatal(err)
				}
				off = (off + int64(n)) % (64 << 20)
			}
		})
	}
}

func BenchmarkCreateWriteRelease(b *testing.B) {
	s := newStore(b, content.Config{})
	p := make([]byte, 4096)
	b.ReportAllocs()
	id := content.ID(0)
	for b.Loop() {
		id++
		f := must[*content.File](b)(s.Create(id))
		if _, err := f.WriteAt(b.Context(), p, 0); err != nil {
			b.Fatal(err)
		}
		if err := f.SetDirty(false); err != nil {
			b.Fatal(err)
		}
		f.Release()
	}
}
