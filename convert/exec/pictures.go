package exec

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"dropfs/convert"
	"dropfs/convert/exec/sandbox"
)

// What vips reads and writes here. SVG and PDF are others' business.
var (
	picturesIn  = []string{"jpg", "png", "gif", "tiff", "webp", "heic", "avif", "jxl"}
	picturesOut = []string{"jpg", "png", "gif", "tiff", "webp", "avif", "jxl"}
)

const tinySVG = `<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><rect width="8" height="8" fill="red"/></svg>`

// tinyGIF is one grey pixel.
const tinyGIF = "GIF89a\x01\x00\x01\x00\x80\x00\x00\x80\x80\x80\xff\xff\xff,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"

func pictureTools() []*tool {
	return []*tool{
		{
			name: "vips", program: "vips", also: []string{"vipsheader"}, packages: "libvips-tools",
			ask: []string{"--version"}, version: regexp.MustCompile(`^vips-(\d+(?:\.\d+)+)`),
			memory: 4 << 30, sample: sample{from: "gif", to: "png", content: []byte(tinyGIF)}, learn: learnLoaders, edges: vipsEdges,
		},
		{
			name: "rsvg", program: "rsvg-convert", packages: "librsvg2-bin",
			ask: []string{"--version"}, version: regexp.MustCompile(`rsvg-convert version (\d+(?:\.\d+)+)`),
			sample: sample{from: "svg", to: "png", content: []byte(tinySVG)}, edges: rsvgEdges,
		},
	}
}

var (
	loaderSuffixes = regexp.MustCompile(`\((\.[a-z0-9., ]+)\)`)
	className      = regexp.MustCompile(`\bVipsForeign(Load|Save)\w+`)
)

// learnLoaders finds the formats that this vips was built with, as facts such as "load jxl".
func learnLoaders(ctx context.Context, p *program, dir string) error {
	out, err := p.answer(ctx, dir, p.path, "-l", "foreign")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(out)) {
		class, suffixes := className.FindStringSubmatch(line), loaderSuffixes.FindStringSubmatch(line)
		if class == nil || suffixes == nil || strings.Contains(class[0], "Magick") {
			continue
		}
		for s := range strings.SplitSeq(suffixes[1], ",") {
			ext := strings.TrimPrefix(strings.TrimSpace(s), ".")
			if ext == "tif" {
				ext = "tiff"
			}
			p.facts[strings.ToLower(class[1])+" "+ext] = true
		}
	}
	return nil
}

func vipsEdges(p *program) []edge {
	var out []edge
	add := func(op, from, to string, loss int, options ...string) {
		if p.facts["load "+from] && p.facts["save "+to] {
			out = append(out, edge{Edge: convert.Edge{Op: op, From: from, To: to, Options: options, Cost: 2, Loss: loss}, do: picture})
		}
	}
	for _, from := range picturesIn {
		for _, to := range picturesOut {
			switch {
			case from == to:
			case to == "png" || to == "tiff":
				add(to, from, to, 0, "width", "height", "strip")
			case to == "gif":
				add(to, from, to, 10, "width", "height", "strip")
			default:
				add(to, from, to, 1, "width", "height", "quality", "strip")
			}
		}
		if slices.Contains([]string{"jpg", "webp", "avif", "jxl"}, from) && p.facts["load "+from] && p.facts["save "+from] {
			quality := mediaQuality
			if from == "jpg" {
				quality = convert.PictureQuality // as in the program
			}
			out = append(out, edge{Edge: convert.Edge{Op: "compress", From: from, To: "=", Options: []string{"level"}, Cost: 2, Loss: 1}, do: compressed(picture, quality)})
		}
		add("thumb", from, "jpg", 100, "width", "height", "quality", "format")
		add("thumb", from, "webp", 100, "width", "height", "quality", "format")
		add("thumb", from, "png", 100, "width", "height", "format")
	}
	return out
}

var headerLine = regexp.MustCompile(`(?m)^(width|height): (\d+)$`)

// vips runs one of its programs. It reads no format that it holds to be unsafe with strangers' files but jxl, where that is
// what was asked for: the sandbox is there for it.
func (t *task) vips(ctx context.Context, path string, args ...string) (sandbox.Result, error) {
	env := []string{"VIPS_CONCURRENCY=2"}
	if t.edge.From != "jxl" && t.to != "jxl" {
		env = append(env, "VIPS_BLOCK_UNTRUSTED=1")
	}
	return t.runSpec(ctx, sandbox.Spec{Argv: append([]string{path}, args...), Env: env})
}

// picture makes a picture of a picture, turned as its camera says.
func picture(ctx context.Context, t *task) error {
	r, err := t.vips(ctx, t.program.others["vipsheader"], "-a", t.in())
	if err != nil {
		return err
	}
	sides := map[string]int64{}
	for _, m := range headerLine.FindAllSubmatch(r.Stdout, -1) {
		n, err := strconv.ParseInt(string(m[2]), 10, 32)
		if err != nil {
			return fmt.Errorf("%w: %s %s", convert.ErrTooLarge, m[1], m[2])
		}
		sides[string(m[1])] = n
	}
	w, h := sides["width"], sides["height"]
	if w < 1 || h < 1 {
		return fmt.Errorf("%w: it has no size", convert.ErrBroken)
	}
	if w*h > t.limits.MaxPixels {
		return fmt.Errorf("%w: %d by %d pixels", convert.ErrTooLarge, w, h)
	}
	maxW, maxH := t.size()
	if t.step.Op == "thumb" && maxW == 0 && maxH == 0 {
		maxW, maxH = thumbBox, thumbBox
	}
	if maxW == 0 && maxH == 0 {
		_, err = t.vips(ctx, t.program.path, "autorot", t.in(), t.out()+t.saveOptions())
		return err
	}
	if maxW == 0 {
		maxW = maxSide
	}
	if maxH == 0 {
		maxH = maxSide
	}
	_, err = t.vips(ctx, t.program.path, "thumbnail", t.in(), t.out()+t.saveOptions(), strconv.Itoa(maxW), "--height", strconv.Itoa(maxH), "--size", "down")
	return err
}

// maxSide stands for a side that is not bounded.
const maxSide = 10_000_000

// saveOptions is what vips is told about the result, as it takes it: behind the name, in brackets.
func (t *task) saveOptions() string {
	var o []string
	switch t.to {
	case "jpg":
		o = append(o, "Q="+strconv.Itoa(t.quality(85)), "optimize-coding", "background=255")
	case "webp":
		o = append(o, "Q="+strconv.Itoa(t.quality(80)))
	case "avif":
		o = append(o, "Q="+strconv.Itoa(t.quality(50)), "effort=2", "compression=av1")
	case "jxl":
		o = append(o, "Q="+strconv.Itoa(t.quality(75)), "effort=3")
	case "tiff":
		o = append(o, "compression=deflate")
	}
	if t.strips() {
		o = append(o, "strip")
	}
	if len(o) == 0 {
		return ""
	}
	return "[" + strings.Join(o, ",") + "]"
}

func rsvgEdges(*program) []edge {
	return []edge{
		{Edge: convert.Edge{Op: "png", From: "svg", To: "png", Options: []string{"width", "height", "background"}, Cost: 1, Loss: 1}, do: drawing},
		{Edge: convert.Edge{Op: "pdf", From: "svg", To: "pdf", Cost: 1}, do: drawing},
	}
}

// colour is what is taken for the option background.
var colour = regexp.MustCompile(`^(#?[0-9a-fA-F]{3,8}|[a-z]{3,20})$`)

// drawing makes a picture of a drawing, which it gets without a name: so it has no place that others could be named from.
func drawing(ctx context.Context, t *task) error {
	args := []string{t.program.path, "--format", t.to, "--output", t.out()}
	w, h := t.size()
	if w > 0 {
		args = append(args, "--width", strconv.Itoa(w))
	}
	if h > 0 {
		args = append(args, "--height", strconv.Itoa(h))
	}
	if w > 0 && h > 0 {
		args = append(args, "--keep-aspect-ratio")
	}
	if bg := t.step.Options["background"]; bg != "" {
		if !colour.MatchString(bg) {
			return fmt.Errorf("%w: background %.20q", convert.ErrUnsupported, bg)
		}
		args = append(args, "--background-color", bg)
	}
	if int64(w)*int64(h) > t.limits.MaxPixels {
		return fmt.Errorf("%w: %d by %d pixels", convert.ErrTooLarge, w, h)
	}
	_, err := t.runSpec(ctx, sandbox.Spec{Argv: args, Stdin: t.path(t.in())})
	return err
}
