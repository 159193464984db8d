package archive

import (
	"fmt"
	"io"

	"dropfs/convert"
)

// budget is how many bytes may still be unpacked (A3).
type budget struct{ left int64 }

func (b *budget) reader(r io.Reader) io.Reader { return &counted{r, b} }

type counted struct {
	r io.Reader
	b *budget
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if c.b.left -= int64(n); c.b.left < 0 {
		return 0, fmt.Errorf("%w: the archive unpacks to too much", convert.ErrTooLarge)
	}
	return n, err
}
