package pdf

import (
	"encoding/binary"
	"image"
	"image/color"
	"math"

	"dropfs/convert"
	"dropfs/convert/magic"
)

const (
	maxSide   = 1<<16 - 1 // pixels, the most that jpg and gif can hold
	bandBytes = 64 << 20  // of the guest's memory for the picture: a larger one is drawn in bands

	formatBGRx  = 3
	formatBGRA  = 4
	annotations = 1 // flag: draw them too
)

// raster is how a page is to be drawn.
type raster struct {
	width, height int
	background    color.NRGBA
}

// fit answers the size in pixels of a page of so many points: what dpi asks for, made smaller to fit into width and height.
// Sizes over the limits are refused here, before anything is made for them (P3).
func fit(wide, high float64, o magic.Options, l convert.Limits) (width, height int, problem string) {
	scale := float64(o.Int("dpi"))
	if w := o.Int("width"); w > 0 {
		scale = min(scale, float64(w)*72/wide)
	}
	if h := o.Int("height"); h > 0 {
		scale = min(scale, float64(h)*72/high)
	}
	w, h := pixels(wide*scale/72), pixels(high*scale/72)
	switch {
	case w > maxSide || h > maxSide:
		return 0, 0, "a side of the picture would be over 65535 pixels"
	case w*h > float64(l.MaxPixels):
		return 0, 0, "the picture would have too many pixels"
	}
	return int(w), int(h), ""
}

// pixels rounds up, but not for the sake of what is lost in computing.
func pixels(x float64) float64 { return max(math.Ceil(x-1e-3), 1) }

// draw draws a page: an *image.Gray where it has no colour, an *image.NRGBA where the background lets through, else an
// *image.RGBA.
func (d *document) draw(page int, r raster) (image.Image, error) {
	ref, err := d.load(page)
	if err != nil {
		return nil, err
	}
	form, err := d.form(ref)
	if err != nil {
		return nil, err
	}
	pic := picture{width: r.width, height: r.height, clear: r.background.A < 255}
	rows := min(max(bandBytes/(4*r.width), 1), r.height)
	format := uint64(formatBGRx)
	if pic.clear {
		format = formatBGRA
	}
	g := d.g
	bitmap := g.call("FPDFBitmap_CreateEx", uint64(r.width), uint64(rows), format, 0, 0)
	if bitmap == 0 {
		return nil, g.fail(convert.ErrTooLarge, "pdfium has no memory for %d x %d pixels", r.width, rows)
	}
	c := r.background
	fill := uint64(c.A)<<24 | uint64(c.R)<<16 | uint64(c.G)<<8 | uint64(c.B)
	for top := 0; top < r.height; top += rows {
		place := []uint64{uint64(bitmap), uint64(ref), 0, uint64(uint32(-top)), uint64(r.width), uint64(r.height), 0, annotations}
		g.call("FPDFBitmap_FillRect", uint64(bitmap), 0, 0, uint64(r.width), uint64(rows), fill)
		g.call("FPDF_RenderPageBitmap", place...)
		if form != 0 {
			g.call("FPDF_FFLDraw", append([]uint64{uint64(form)}, place...)...)
		}
		stride := int(g.call("FPDFBitmap_GetStride", uint64(bitmap)))
		buffer := g.call("FPDFBitmap_GetBuffer", uint64(bitmap))
		if n := min(rows, r.height-top); stride >= 4*r.width {
			pic.add(g.view(buffer, n*stride), stride, n)
		}
		if g.err != nil {
			return nil, g.err
		}
	}
	return pic.image(), nil
}

// form answers the environment that form fields need to be drawn; 0 where the document has none.
func (d *document) form(page uint32) (uint32, error) {
	g := d.g
	if g.call("FPDF_GetFormType", uint64(d.ref)) == 0 {
		return 0, g.err
	}
	info := g.call("PDFiumExt_OpenFormFillInfo")
	if info == 0 {
		return 0, g.err
	}
	env := g.call("PDFiumExt_InitFormFillEnvironment", uint64(d.ref), uint64(info))
	if env != 0 {
		g.call("FPDF_SetFormFieldHighlightAlpha", uint64(env), 0)
		g.call("FORM_OnAfterLoadPage", uint64(page), uint64(env))
	}
	return env, g.err
}

// picture is put together from bands of BGRA. It is gray until the first pixel that is not.
type picture struct {
	width, height int
	clear         bool
	done          int // rows
	gray          *image.Gray
	rgba          *image.RGBA
	nrgba         *image.NRGBA
}

func (p *picture) add(band []byte, stride, rows int) {
	if band == nil {
		return
	}
	bounds := image.Rect(0, 0, p.width, p.height)
	switch {
	case p.clear && p.nrgba == nil:
		p.nrgba = image.NewNRGBA(bounds)
	case p.clear || p.rgba != nil:
	case !isGray(band, stride, rows, p.width):
		p.rgba = image.NewRGBA(bounds)
		if p.gray != nil {
			for i, v := range p.gray.Pix[:p.done*p.width] {
				copy(p.rgba.Pix[4*i:], []byte{v, v, v, 255})
			}
			p.gray = nil
		}
	case p.gray == nil:
		p.gray = image.NewGray(bounds)
	}
	for y := range rows {
		line := band[y*stride:][:4*p.width]
		at := (p.done + y) * p.width
		switch {
		case p.clear:
			swap(p.nrgba.Pix[4*at:][:4*p.width], line, 0)
		case p.rgba != nil:
			swap(p.rgba.Pix[4*at:][:4*p.width], line, 0xff<<24)
		default:
			to := p.gray.Pix[at:][:p.width]
			for x := range to {
				to[x] = line[4*x]
			}
		}
	}
	p.done += rows
}

func (p *picture) image() image.Image {
	switch {
	case p.clear:
		return p.nrgba
	case p.rgba != nil:
		return p.rgba
	}
	return p.gray
}

func isGray(band []byte, stride, rows, width int) bool {
	for y := range rows {
		line := band[y*stride:][:4*width]
		for ; len(line) >= 4; line = line[4:] {
			v := binary.LittleEndian.Uint32(line)
			if (v^v>>8)&0xffff != 0 {
				return false
			}
		}
	}
	return true
}

// swap makes RGBA of BGRA, with the bits of set set.
func swap(to, from []byte, set uint32) {
	for i := 0; i+4 <= len(to); i += 4 {
		v := binary.LittleEndian.Uint32(from[i:])
		binary.LittleEndian.PutUint32(to[i:], v&0xff00ff00|v>>16&0xff|v&0xff<<16|set)
	}
}
