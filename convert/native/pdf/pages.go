package pdf

import (
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"dropfs/convert"
	"dropfs/convert/magic"
)

const maxName = 255 // bytes

// List answers the pages of a document, one file each. It reads the document and draws nothing.
func (e *Engine) List(ctx context.Context, job convert.Job) ([]convert.Member, error) {
	if job.Step.Op != magic.Pages || len(job.Sources) != 1 {
		return nil, fmt.Errorf("%w: %s", convert.ErrUnsupported, job.Step.Op)
	}
	step, err := memberStep(job.Step.Options)
	if err != nil {
		return nil, err
	}
	password, err := secretOf(job, "secret")
	if err != nil {
		return nil, err
	}
	slot, err := e.pool.enter(ctx)
	if err != nil {
		return nil, err
	}
	count := 0
	err = slot.inside(ctx, time.Time{}, func(g *guest) error {
		d, err := open(g, job.Sources[0], password)
		if err == nil {
			count = d.pages
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return members(job.Sources[0].Name, step, count), nil
}

// memberStep is the step that makes a member, still without its page. An option that its format has no use for is refused.
func memberStep(o magic.Options) (magic.Step, error) {
	format := o["format"]
	if format == "" {
		format = "png"
	}
	var honoured []string
	for _, e := range edges() {
		if e.Op == format && e.To == format {
			honoured = e.Options
		}
	}
	if honoured == nil {
		return magic.Step{}, fmt.Errorf("%w: pages as %q", convert.ErrUnsupported, format)
	}
	step := magic.Step{Op: format, Options: magic.Options{}}
	for key, value := range o {
		if key == "format" {
			continue
		}
		if !slices.Contains(honoured, key) {
			return magic.Step{}, fmt.Errorf("%w: %s with %s", convert.ErrUnsupported, format, key)
		}
		step.Options[key] = value
	}
	return step, nil
}

// members names the pages STEM-001.EXT and so on, with as many digits as the last one needs.
func members(name string, step magic.Step, count int) []convert.Member {
	digits := max(3, len(strconv.Itoa(count)))
	stem := stemOf(name, maxName-len("-.")-digits-len(step.Op))
	out := make([]convert.Member, count)
	for i := range out {
		o := maps.Clone(step.Options)
		o["page"] = strconv.Itoa(i + 1)
		out[i] = convert.Member{
			Name: fmt.Sprintf("%s-%0*d.%s", stem, digits, i+1, step.Op),
			Step: magic.Step{Op: step.Op, Options: o}, Size: -1,
		}
	}
	return out
}

// stemOf is a name without its directory and extension, of at most most bytes.
func stemOf(name string, most int) string {
	stem := path.Base(strings.ReplaceAll(name, "\x00", ""))
	stem = strings.TrimSuffix(stem, path.Ext(stem))
	for len(stem) > most {
		_, n := utf8.DecodeLastRuneInString(stem)
		stem = stem[:len(stem)-n]
	}
	if stem == "" || stem == "." || stem == "/" {
		return "page"
	}
	return stem
}
