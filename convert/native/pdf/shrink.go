package pdf

import (
	"bytes"
	"image"
	"image/jpeg"
	"strconv"

	"golang.org/x/image/draw"

	"dropfs/convert"
)

// shrinker makes pictures smaller.
type shrinker struct {
	quality int // of JPEG
	side    int // pixels that the longest side of a picture may keep
	photos  bool
	most    int64 // pixels of a picture that it looks at
	byNum   map[int][]byte
}

// level is what a level of compress means.
type level struct {
	quality int
	dpi     float64 // of a picture as large as the largest page
	photos  bool    // that are kept without loss become JPEG
}

func newShrinker(f *file, name string, inches float64, l convert.Limits) *shrinker {
	of := map[string]level{
		"low":         {quality: 85, dpi: 300},
		"recommended": {quality: 72, dpi: 150, photos: true},
		"high":        {quality: 45, dpi: 96, photos: true},
	}[name]
	s := &shrinker{
		quality: of.quality, side: int(min(inches*of.dpi, maxSide)), photos: of.photos,
		most: min(l.MaxPixels, 100e6), byNum: map[int][]byte{},
	}
	for _, o := range f.objects {
		s.byNum[o.num] = o.head
	}
	return s
}

// picture makes the picture of a stream smaller, where it is one of a plain kind and that saves a tenth at least.
func (s *shrinker) picture(o *object) {
	d, _ := dictOf(o.head)
	if string(d.get("Subtype")) != "/Image" || d.get("Decode") != nil || d.int("BitsPerComponent") != 8 ||
		string(d.get("ImageMask")) == "true" || bytes.HasPrefix(d.get("Mask"), []byte("[")) {
		return
	}
	w, h, parts := d.int("Width"), d.int("Height"), s.components(d.get("ColorSpace"), 0)
	if parts == 0 || w < 16 || h < 16 || int64(w)*int64(h) > s.most {
		return
	}
	var m image.Image
	switch filter := filterOf(d); {
	case filter == "DCTDecode" && d.get("DecodeParms") == nil:
		m = decodeJPEG(o.stream, w, h, parts)
	case filter == "FlateDecode" && s.photos && len(o.stream) > w*h*parts*3/10: // what packs better is a drawing
		m = decodeFlat(o.stream, d, w, h, parts)
	}
	if m == nil {
		return
	}
	m = smaller(m, s.side)
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: s.quality}); err != nil || b.Len() > len(o.stream)/10*9 {
		return
	}
	o.stream = b.Bytes()
	o.head = d.set("DecodeParms", "").set("Filter", "/DCTDecode").set("Length", itoa(b.Len())).
		set("Width", itoa(m.Bounds().Dx())).set("Height", itoa(m.Bounds().Dy())).bytes()
}

// components tells how many values a pixel has: 1, 3, or 0 for a colour space that is not so plain.
func (s *shrinker) components(space []byte, depth int) int {
	if depth > 3 {
		return 0
	}
	switch text := string(space); text {
	case "/DeviceGray", "/CalGray":
		return 1
	case "/DeviceRGB", "/CalRGB":
		return 3
	}
	if num, ok := reference(space); ok {
		return s.components(s.byNum[num], depth+1)
	}
	if !bytes.HasPrefix(space, []byte("[")) {
		return 0
	}
	l := lexer{b: space, i: 1}
	l.space()
	from := l.i
	if k, ok := l.value(); !ok || k != name {
		return 0
	}
	switch string(space[from:l.i]) {
	case "/CalGray":
		return 1
	case "/CalRGB":
		return 3
	case "/ICCBased":
		l.space()
		from = l.i
		l.value()
		num, _ := reference(space[from:l.i])
		profile, _ := dictOf(s.byNum[num])
		if n := profile.int("N"); n == 1 || n == 3 {
			return n
		}
	}
	return 0
}

// reference reads 12 0 R.
func reference(b []byte) (num int, ok bool) {
	parts := bytes.Fields(b)
	if len(parts) != 3 || string(parts[2]) != "R" {
		return 0, false
	}
	num, err := strconv.Atoi(string(parts[0]))
	return num, err == nil
}

// decodeJPEG decodes a JPEG that is what its dictionary says; nil for any other.
func decodeJPEG(b []byte, w, h, parts int) image.Image {
	c, err := jpeg.DecodeConfig(bytes.NewReader(b))
	if err != nil || c.Width != w || c.Height != h {
		return nil
	}
	m, err := jpeg.Decode(bytes.NewReader(b))
	if err != nil {
		return nil
	}
	if _, gray := m.(*image.Gray); gray != (parts == 1) {
		return nil
	}
	if _, cmyk := m.(*image.CMYK); cmyk {
		return nil
	}
	return m
}

// decodeFlat decodes rows of 8 bits; nil where they are not as the dictionary says.
func decodeFlat(b []byte, d dict, w, h, parts int) image.Image {
	stride, filtered := w*parts, false
	if parms := d.get("DecodeParms"); parms != nil {
		p, ok := dictOf(bytes.Trim(parms, "[] \r\n"))
		filtered = ok && p.int("Predictor") >= 10 && p.int("Columns") == w && (p.int("Colors") == parts || parts == 1 && p.int("Colors") < 0)
		if !filtered && (!ok || p.int("Predictor") > 1) {
			return nil
		}
	}
	line := stride
	if filtered {
		line++
	}
	raw, ok := inflate(b, int64(line)*int64(h)+16)
	if !ok || len(raw) < line*h {
		return nil
	}
	if filtered && !unfilter(raw[:line*h], line, parts) {
		return nil
	}
	gray, rgba := image.NewGray(image.Rectangle{}), image.NewRGBA(image.Rectangle{})
	if parts == 1 {
		gray = image.NewGray(image.Rect(0, 0, w, h))
	} else {
		rgba = image.NewRGBA(image.Rect(0, 0, w, h))
	}
	for y := range h {
		row := raw[y*line:][line-stride : line]
		if parts == 1 {
			copy(gray.Pix[y*w:], row)
			continue
		}
		to := rgba.Pix[4*y*w:][:4*w]
		for x := range w {
			to[4*x], to[4*x+1], to[4*x+2], to[4*x+3] = row[3*x], row[3*x+1], row[3*x+2], 255
		}
	}
	if parts == 1 {
		return gray
	}
	return rgba
}

// unfilter undoes the filters of PNG, in place. Each line begins with the number of its filter.
func unfilter(raw []byte, line, parts int) bool {
	above := make([]byte, line)
	for ; len(raw) >= line; raw = raw[line:] {
		row := raw[:line]
		for i := 1; i < line; i++ {
			var left, corner byte
			if i > parts {
				left, corner = row[i-parts], above[i-parts]
			}
			switch row[0] {
			case 0:
			case 1:
				row[i] += left
			case 2:
				row[i] += above[i]
			case 3:
				row[i] += byte((int(left) + int(above[i])) / 2)
			case 4:
				row[i] += paeth(int(left), int(above[i]), int(corner))
			default:
				return false
			}
		}
		above = row
	}
	return true
}

func paeth(a, b, c int) byte {
	abs := func(x int) int { return max(x, -x) }
	p := a + b - c
	switch pa, pb, pc := abs(p-a), abs(p-b), abs(p-c); {
	case pa <= pb && pa <= pc:
		return byte(a)
	case pb <= pc:
		return byte(b)
	}
	return byte(c)
}

// smaller scales a picture down so that its longest side has at most side pixels.
func smaller(m image.Image, side int) image.Image {
	w, h := m.Bounds().Dx(), m.Bounds().Dy()
	if side < 1 || max(w, h) <= side {
		return m
	}
	scale := float64(side) / float64(max(w, h))
	to := image.Rect(0, 0, max(int(float64(w)*scale), 1), max(int(float64(h)*scale), 1))
	if _, ok := m.(*image.Gray); ok {
		out := image.NewGray(to)
		draw.BiLinear.Scale(out, to, m, m.Bounds(), draw.Src, nil)
		return out
	}
	out := image.NewRGBA(to)
	draw.BiLinear.Scale(out, to, m, m.Bounds(), draw.Src, nil)
	return out
}
