package corpus

import (
	"bufio"
	"bytes"
	"fmt"
	"image"
	"image/color"
	_ "image/gif"  // a reader of pictures
	_ "image/jpeg" // a reader of pictures
	_ "image/png"  // a reader of pictures
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	_ "golang.org/x/image/bmp"  // a reader of pictures
	_ "golang.org/x/image/tiff" // a reader of pictures
	_ "golang.org/x/image/webp" // a reader of pictures
)

// ours are the engines that write pictures with Go's encoders: vips reads those. What others make Go's decoders read.
var ours = []string{"pdfium", "images"}

// avifdec reads AVIF with libavif, vips with libheif.
var avifdec = []string{"libavif-bin", "libavif15", "libyuv0", "libgav1-1", "libabsl20220623"}

// picture is one as a program saw it, on white.
type picture struct {
	width, height int
	at            func(x, y int) color.NRGBA
}

// look opens a picture with a program that shares nothing with an engine.
func (r reader) picture(path, ext, engine string) (picture, error) {
	switch {
	case ext == "avif":
		out := filepath.Join(r.dir, "avif.png")
		if _, err := r.unpacked("usr/bin/avifdec", avifdec, "--no-strict", path, out); err != nil {
			return picture{}, err
		}
		return byGo(out)
	case ext == "jxl": // all that Debian has reads it with one library; ffmpeg calls that otherwise than vips
		return r.byFFmpeg(path, nil)
	case !slices.Contains(ours, engine):
		return byGo(path)
	case ext == "bmp":
		out := filepath.Join(r.dir, "bmp.ppm")
		if _, err := r.look("bmp", path, out); err != nil {
			return picture{}, err
		}
		return byPPM(out)
	}
	return r.byVips(path)
}

func byGo(path string) (picture, error) {
	f, err := os.Open(path)
	if err != nil {
		return picture{}, err
	}
	defer f.Close()
	m, kind, err := image.Decode(f)
	if err != nil {
		return picture{}, fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	b := m.Bounds()
	if v, ok := videoRange(m); ok && kind == "webp" {
		return picture{b.Dx(), b.Dy(), v}, nil
	}
	return picture{b.Dx(), b.Dy(), func(x, y int) color.NRGBA {
		c, ok := color.NRGBAModel.Convert(m.At(b.Min.X+x, b.Min.Y+y)).(color.NRGBA)
		if !ok {
			panic("a model converts to its colours")
		}
		return c
	}}, nil
}

// videoRange reads the colours of a lossy WebP as what they are (ITU-R BT.601); the decoder takes them for those of a JPEG.
func videoRange(m image.Image) (at func(x, y int) color.NRGBA, ok bool) {
	var c image.YCbCr
	alpha := func(int, int) uint8 { return 255 }
	switch m := m.(type) {
	case *image.NYCbCrA:
		c, alpha = m.YCbCr, func(x, y int) uint8 { return m.A[m.AOffset(x, y)] }
	case *image.YCbCr:
		c = *m
	default:
		return nil, false
	}
	to := func(v float64) uint8 { return uint8(min(max(math.Round(v), 0), 255)) }
	return func(x, y int) color.NRGBA {
		l := 255.0 / 219 * (float64(c.Y[c.YOffset(x, y)]) - 16)
		b, r := float64(c.Cb[c.COffset(x, y)])-128, float64(c.Cr[c.COffset(x, y)])-128
		return color.NRGBA{to(l + 1.596*r), to(l - 0.392*b - 0.813*r), to(l + 2.017*b), alpha(x, y)}
	}, true
}

// byVips has vips decode a picture to bare samples.
func (r reader) byVips(path string) (picture, error) {
	flat, raw := filepath.Join(r.dir, "look.v"), filepath.Join(r.dir, "look.raw")
	if _, err := r.run("vips", "colourspace", path, flat, "srgb"); err != nil {
		return picture{}, err
	}
	if _, err := r.run("vips", "rawsave", flat, raw); err != nil {
		return picture{}, err
	}
	out, err := r.run("vipsheader", "-a", flat)
	if err != nil {
		return picture{}, err
	}
	field := map[string]string{}
	for line := range strings.Lines(out) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), ": "); ok {
			field[key] = value
		}
	}
	w, _ := strconv.Atoi(field["width"])
	h, _ := strconv.Atoi(field["height"])
	bands, _ := strconv.Atoi(field["bands"])
	data, err := os.ReadFile(raw)
	if err != nil || w*h*bands == 0 || len(data) != w*h*bands || field["format"] != "uchar" || bands < 3 {
		return picture{}, fmt.Errorf("vips says %v of %d bytes, %w", field, len(data), err)
	}
	return picture{w, h, func(x, y int) color.NRGBA {
		p := data[(y*w+x)*bands:]
		c := color.NRGBA{p[0], p[1], p[2], 255}
		if bands == 4 {
			c.A = p[3]
		}
		return c
	}}, nil
}

// byFFmpeg has ffmpeg decode a picture, or one of a film.
func (r reader) byFFmpeg(path string, before []string) (picture, error) {
	out := filepath.Join(r.dir, "look.png")
	args := slices.Concat([]string{"-v", "error", "-y"}, before, []string{"-i", path, "-frames:v", "1", "-update", "1", out})
	if _, err := r.run("ffmpeg", args...); err != nil {
		return picture{}, err
	}
	return byGo(out)
}

// byPPM reads the simplest format there is.
func byPPM(path string) (picture, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return picture{}, err
	}
	var w, h, most int
	b := bufio.NewReader(bytes.NewReader(data))
	if _, err := fmt.Fscanf(b, "P6\n%d %d\n%d\n", &w, &h, &most); err != nil || most != 255 {
		return picture{}, fmt.Errorf("%s is no PPM: %w", filepath.Base(path), err)
	}
	p, err := io.ReadAll(b)
	if err != nil || len(p) != w*h*3 {
		return picture{}, fmt.Errorf("%s has %d bytes for %d x %d, %w", filepath.Base(path), len(p), w, h, err)
	}
	return picture{w, h, func(x, y int) color.NRGBA {
		i := (y*w + x) * 3
		return color.NRGBA{p[i], p[i+1], p[i+2], 255}
	}}, nil
}

// fields is how many parts a side is cut into to be compared, and fieldSize how many pixels each has at least.
const (
	fields    = 24
	fieldSize = 6
)

// coarse is the mean colour of fields of a picture on white, so that neither scaling nor smoothing nor dithering matters.
func (p picture) coarse(across, down int) (out [][3]float64) {
	for j := range down {
		for i := range across {
			x0, x1 := i*p.width/across, max((i+1)*p.width/across, i*p.width/across+1)
			y0, y1 := j*p.height/down, max((j+1)*p.height/down, j*p.height/down+1)
			var sum [3]float64
			for y := y0; y < y1; y++ {
				for x := x0; x < x1; x++ {
					c := p.at(x, y)
					a := float64(c.A) / 255
					for k, v := range []uint8{c.R, c.G, c.B} {
						sum[k] += float64(v)*a + 255*(1-a)
					}
				}
			}
			for k := range sum {
				sum[k] /= float64((x1 - x0) * (y1 - y0))
			}
			out = append(out, sum)
		}
	}
	return out
}

// Two pictures are the same where their fields differ by no more, of 255: in the mean, and any of them.
type likeness struct{ mean, worst float64 }

func sameLook(want, got picture, most likeness) error {
	across := min(fields, max(1, min(want.width, got.width)/fieldSize))
	down := min(fields, max(1, min(want.height, got.height)/fieldSize))
	a, b := want.coarse(across, down), got.coarse(across, down)
	var sum, worst float64
	for i := range a {
		for k := range 3 {
			d := math.Abs(a[i][k] - b[i][k])
			sum += d
			worst = max(worst, d)
		}
	}
	if mean := sum / float64(len(a)*3); mean > most.mean || worst > most.worst {
		return fmt.Errorf("it looks different: by %.1f in the mean and %.1f at worst, of at most %.1f and %.1f", mean, worst, most.mean, most.worst)
	}
	return nil
}

// sameSize compares the size of a picture with the one that it should have; slack is in pixels.
func sameSize(p picture, width, height, slack int) error {
	if d := max(p.width-width, width-p.width, p.height-height, height-p.height); d > slack {
		return fmt.Errorf("it is %d x %d, want %d x %d", p.width, p.height, width, height)
	}
	return nil
}

// fitted is a size made small enough for a square, as thumbs are.
func fitted(width, height, box int) (w, h int) {
	f := min(1, float64(box)/float64(max(width, height)))
	return int(math.Round(float64(width) * f)), int(math.Round(float64(height) * f))
}
