package text

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path"
	"strings"

	"golang.org/x/net/html/charset"

	"dropfs/convert"
	"dropfs/convert/native/internal/bounded"
)

const maxChapters = 5000

// fromBook writes the chapters of a book in the order of its spine (EPUB 3.3 §5.7).
func fromBook(ctx context.Context, name, to string, o *bounded.Output) error {
	p, err := openParts(ctx, name)
	if err != nil {
		return err
	}
	defer p.close()
	chapters, err := spine(p)
	if err != nil {
		return err
	}
	for i, chapter := range chapters {
		r, ok, err := p.open(chapter)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		src, err := io.ReadAll(io.LimitReader(r, maxText+1))
		r.Close()
		if err != nil {
			return err
		}
		if len(src) > maxText {
			return fmt.Errorf("%w: a chapter of more than %d bytes", convert.ErrTooLarge, maxText)
		}
		if len(src) == 0 {
			continue
		}
		if i > 0 {
			if _, err := io.WriteString(o, "\n"); err != nil {
				return err
			}
		}
		page, err := charset.NewReader(bytes.NewReader(src), "text/html; charset=utf-8")
		if err != nil {
			return err
		}
		put := markdownOf
		if to == "txt" {
			put = plainHTML
		}
		if err := put(ctx, page, o); err != nil {
			return err
		}
	}
	return nil
}

// spine lists the parts that are chapters.
func spine(p *parts) ([]string, error) {
	c := &container{}
	if _, err := p.walk("META-INF/container.xml", c); err != nil {
		return nil, err
	}
	if c.root == "" {
		return nil, errors.New("no book in it")
	}
	k := &packed{dir: path.Dir(c.root), hrefs: map[string]string{}}
	ok, err := p.walk(c.root, k)
	if err == nil && !ok {
		err = errors.New("no book in it")
	}
	if err != nil {
		return nil, err
	}
	var out []string
	for _, id := range k.spine {
		if href, ok := k.hrefs[id]; ok {
			out = append(out, href)
		}
	}
	if len(out) > maxChapters {
		return nil, fmt.Errorf("%w: a book of %d chapters", convert.ErrTooLarge, len(out))
	}
	return out, nil
}

// container reads META-INF/container.xml.
type container struct{ root string }

func (c *container) start(name string, e xml.StartElement) bool {
	if name == "rootfile" && c.root == "" {
		c.root = value(e, "full-path")
	}
	return true
}

func (c *container) end(string) error { return nil }
func (c *container) text([]byte)      {}

// packed reads the package document.
type packed struct {
	dir   string
	hrefs map[string]string // part by id
	spine []string
}

func (k *packed) start(name string, e xml.StartElement) bool {
	switch name {
	case "item":
		href, err := url.PathUnescape(value(e, "href"))
		if err == nil && strings.Contains(value(e, "media-type"), "html") {
			k.hrefs[value(e, "id")] = path.Join(k.dir, href)
		}
	case "itemref":
		k.spine = append(k.spine, value(e, "idref"))
	}
	return true
}

func (k *packed) end(string) error { return nil }
func (k *packed) text([]byte)      {}
