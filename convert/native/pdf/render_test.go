package pdf

import (
	"errors"
	"image"
	"image/color"
	"math"
	"testing"

	"dropfs/convert"
	"dropfs/convert/magic"
)

func TestSizes(t *testing.T) {
	doc := documentOf(saying("one"), page{"0 0 400 200", ""})
	for step, want := range map[string]image.Point{
		"png":                               {1275, 1650},
		"png,dpi=72":                        {612, 792},
		"png,dpi=300,page=2":                {1667, 834},
		"png,width=800":                     {800, 1036},
		"png,height=100":                    {78, 100},
		"png,width=100,height=100":          {78, 100},
		"png,width=100,height=100,page=2":   {100, 50},
		"png,width=60000":                   {1275, 1650},
		"png,width=60000,height=60,dpi=600": {47, 60},
	} {
		m, _ := decoded(t, mustRun(t, step, doc))
		if got := m.Bounds().Size(); got != want {
			t.Errorf("%s: %v, want %v", step, got, want)
		}
	}
}

func TestP3SizesAreCheckedBeforeAnythingIsMade(t *testing.T) {
	limits := convert.Limits{MaxPixels: 1e6}.Resolved()
	for _, c := range []struct {
		wide, high float64
		options    magic.Options
		w, h       int // 0: refused
	}{
		{612, 792, nil, 0, 0},
		{612, 792, magic.Options{"dpi": "72"}, 612, 792},
		{612, 792, magic.Options{"width": "500"}, 500, 648},
		{14.4e6, 14.4e6, nil, 0, 0},
		{14.4e6, 14.4e6, magic.Options{"width": "100"}, 100, 100},
		{14.4e6, 1, magic.Options{"width": "100"}, 100, 1},
		{1, 14.4e6, magic.Options{"width": "100"}, 0, 0},
		{math.MaxFloat32, 1e-30, nil, 0, 0},
		{1e-30, 1e-30, nil, 1, 1},
	} {
		w, h, problem := fit(c.wide, c.high, c.options, limits)
		if w != c.w || h != c.h || (problem == "") != (c.w > 0) {
			t.Errorf("%g x %g %v: %d x %d %q", c.wide, c.high, c.options, w, h, problem)
		}
	}
}

func TestGrayPagesAreEncodedAsGray(t *testing.T) {
	gray := documentOf(page{letter, "0.5 g 0 0 612 792 re f"})
	for _, format := range []string{"png", "jpg", "tiff"} {
		m, _ := decoded(t, mustRun(t, format+",dpi=24", gray))
		g, ok := m.(*image.Gray)
		if !ok {
			t.Errorf("%s: %T", format, m)
			continue
		}
		if v := g.GrayAt(50, 50).Y; v < 124 || v > 130 {
			t.Errorf("%s: %d", format, v)
		}
	}
	m, _ := decoded(t, mustRun(t, "png,dpi=24", documentOf(page{letter, "0.5 0.5 0.51 rg 0 0 612 792 re f"})))
	if _, ok := m.(*image.Gray); ok {
		t.Error("a page with colour was made gray")
	}
}

// A picture is put together from bands as if it were drawn in one.
func TestBandsFitTogether(t *testing.T) {
	const side = 40
	bands := []byte(nil)
	want := image.NewRGBA(image.Rect(0, 0, side, side))
	for y := range side {
		for x := range side {
			v := uint8(x*5 + y)
			c := color.RGBA{v, v, v, 255}
			if y > side/2 && x == y {
				c = color.RGBA{200, 100, v, 255}
			}
			want.SetRGBA(x, y, c)
			bands = append(bands, c.B, c.G, c.R, 77)
		}
	}
	for _, rows := range []int{1, 7, side} {
		p := picture{width: side, height: side}
		for top := 0; top < side; top += rows {
			p.add(bands[top*side*4:], side*4, min(rows, side-top))
		}
		got, ok := p.image().(*image.RGBA)
		if !ok || string(got.Pix) != string(want.Pix) {
			t.Errorf("bands of %d rows: %T", rows, p.image())
		}
	}
}

// The page is over bandBytes, so the guest draws it in several goes.
func TestLargePagesAreDrawnInBands(t *testing.T) {
	doc := documentOf(page{"0 0 720 720", "0 g 0 0 720 360 re f 1 0 0 rg 0 0 72 72 re f"})
	m, _ := decoded(t, mustRun(t, "bmp,dpi=600", doc))
	if m.Bounds().Dx()*m.Bounds().Dy()*4 < 2*bandBytes {
		t.Fatal("it is drawn in one")
	}
	for at, want := range map[image.Point]color.RGBA{
		{3000, 100}: {255, 255, 255, 255}, {3000, 2998}: {255, 255, 255, 255}, {3000, 3001}: {0, 0, 0, 255},
		{3000, 5990}: {0, 0, 0, 255}, {100, 5990}: {255, 0, 0, 255}, {100, 5401}: {255, 0, 0, 255}, {100, 5398}: {0, 0, 0, 255},
	} {
		if got := color.RGBAModel.Convert(m.At(at.X, at.Y)); got != want {
			t.Errorf("at %v: %v, want %v", at, got, want)
		}
	}
}

func TestBackground(t *testing.T) {
	doc := documentOf(page{letter, "0 0 1 rg 0 0 100 100 re f"})
	for step, want := range map[string]color.NRGBA{
		"png":                           {255, 255, 255, 255},
		"png,background=black":          {0, 0, 0, 255},
		"png,background=f80":            {255, 136, 0, 255},
		"bmp,bg=#102030":                {16, 32, 48, 255},
		"tiff,background=transparent":   {255, 255, 255, 0},
		"png,background=transparent":    {255, 255, 255, 0},
		"gif,background=ffff00,dpi=24":  {255, 255, 0, 255},
		"jpg,background=white,dpi=24":   {255, 255, 255, 255},
		"png,background=0000ff,page=01": {0, 0, 255, 255},
	} {
		m, _ := decoded(t, mustRun(t, step, doc))
		got := color.NRGBAModel.Convert(m.At(m.Bounds().Dx()/2, 10)).(color.NRGBA)
		if got != want && (want.A != 0 || got.A != 0) {
			t.Errorf("%s: %v, want %v", step, got, want)
		}
		drawn := color.NRGBAModel.Convert(m.At(5, m.Bounds().Dy()-5)).(color.NRGBA)
		if drawn.B < 250 || drawn.R > 5 || drawn.A != 255 {
			t.Errorf("%s: drew %v", step, drawn)
		}
	}
	for _, step := range []string{"jpg,background=transparent", "png,background=mauve", "png,background=12345", "png,background=+1+1+1"} {
		if _, err := run(t, step, doc); !errors.Is(err, convert.ErrUnsupported) {
			t.Errorf("%s: %v", step, err)
		}
	}
}

func TestQuality(t *testing.T) {
	doc := numbered(1)
	low, high := mustRun(t, "jpg,quality=10", doc), mustRun(t, "jpg,quality=95", doc)
	if len(low) >= len(high) {
		t.Errorf("%d bytes at 10, %d at 95", len(low), len(high))
	}
}

// What a form holds is on the picture.
func TestFormFieldsAreDrawn(t *testing.T) {
	m := &maker{}
	m.add("<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [5 0 R] /DA (/Helv 12 Tf 0 g) >> >>")
	m.add("<< /Type /Pages /Count 1 /Kids [3 0 R] >>")
	m.add("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 100 100] /Contents 4 0 R /Annots [5 0 R] >>")
	m.stream("", "")
	m.add("<< /Type /Annot /Subtype /Widget /FT /Tx /T (a) /V (x) /F 4 /Rect [20 20 80 80] /P 3 0 R /AP << /N 6 0 R >> >>")
	m.stream("/Type /XObject /Subtype /Form /BBox [0 0 60 60]", "1 0 0 rg 0 0 60 60 re f")
	pic, _ := decoded(t, mustRun(t, "png,dpi=72", m.bytes()))
	if got := color.RGBAModel.Convert(pic.At(50, 50)); got != (color.RGBA{255, 0, 0, 255}) {
		t.Errorf("%v", got)
	}
}
