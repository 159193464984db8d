package images_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"math/rand/v2"
	"testing"

	"dropfs/convert"
	"dropfs/convert/native/images"
)

func TestEveryPair(t *testing.T) {
	img := quarters(64, 48, red, green, blue, white)
	for _, from := range formats {
		src := encode(t, from, img)
		for _, to := range formats {
			t.Run(from+" to "+to, func(t *testing.T) {
				got := decode(t, to, must(t, "@"+to, from, src))
				if got.Bounds().Size() != image.Pt(64, 48) {
					t.Errorf("size %v", got.Bounds().Size())
				}
				wantCorners(t, got, corners(decode(t, from, src))[0], green, blue, white)
			})
		}
	}
}

func TestLosslessIsExact(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	img := image.NewNRGBA(image.Rect(0, 0, 31, 17))
	for i := range img.Pix {
		img.Pix[i] = uint8(rng.Uint32())
	}
	src := encode(t, "png", img)
	for _, to := range []string{"png", "tiff", "webp"} {
		got := decode(t, to, must(t, "@"+to, "png", src))
		for y := range 17 {
			for x := range 31 {
				w := img.NRGBAAt(x, y)
				if g := color.NRGBAModel.Convert(got.At(x, y)); g != w && w.A != 0 {
					t.Fatalf("%s: pixel %d,%d is %v, want %v", to, x, y, g, w)
				}
			}
		}
	}
	deep := image.NewGray16(image.Rect(0, 0, 2, 1))
	deep.SetGray16(1, 0, color.Gray16{Y: 0x1234})
	if got, ok := decode(t, "png", must(t, "@png", "png", encode(t, "png", deep))).At(1, 0).(color.Gray16); !ok || got.Y != 0x1234 {
		t.Errorf("sixteen bits became %v", got)
	}
}

func TestI2SizesAndFit(t *testing.T) {
	src := encode(t, "png", quarters(400, 200, red, green, blue, white))
	for _, c := range []struct {
		rest string
		w, h int
	}{
		{"@png,width=100", 100, 50},
		{"@png,h=100", 200, 100},
		{"@png,w=100,h=100", 100, 50},
		{"@png,w=100,h=100,fit=fill", 100, 100},
		{"@png,w=100,h=100,fit=pad", 100, 100},
		{"@png,w=4000", 400, 200},
		{"@png,w=4000,h=4000,fit=fill", 400, 200},
		{"@png,w=300,h=300,fit=fill", 300, 200},
		{"@png,w=1000,h=300,fit=pad", 1000, 300},
		{"@png,w=399", 399, 200},
		{"@png,w=1", 1, 1},
		{"@thumb,format=png", 256, 128},
	} {
		if got := decode(t, "png", must(t, c.rest, "png", src)); got.Bounds().Size() != image.Pt(c.w, c.h) {
			t.Errorf("%s is %v, want %d by %d", c.rest, got.Bounds().Size(), c.w, c.h)
		}
	}
	padded := decode(t, "png", must(t, "@png,w=100,h=100,fit=pad", "png", src))
	if _, _, _, a := padded.At(50, 5).RGBA(); a != 0 {
		t.Error("the padding is not clear")
	}
	wantCorners(t, decode(t, "png", must(t, "@png,w=120,h=100,fit=fill", "png", src)), red, green, blue, white)
	grown := decode(t, "jpg", must(t, "@jpg,w=800,h=200,fit=pad,bg=0000ff", "png", src))
	if c := corners(grown); !near(c[0], color.NRGBA{R: 220, G: 20, B: 20, A: 255}) && !near(c[0], color.NRGBA{B: 255, A: 255}) {
		t.Errorf("corner %v", c[0])
	}
	if got := color.NRGBAModel.Convert(grown.At(20, 100)); !near(got.(color.NRGBA), color.NRGBA{B: 255, A: 255}) {
		t.Errorf("padding %v", got)
	}
}

func TestBackground(t *testing.T) {
	src := encode(t, "png", quarters(64, 64, red, none, blue, white))
	for _, c := range []struct {
		rest, to string
		want     color.NRGBA
	}{
		{"@png", "png", none},
		{"@webp", "webp", none},
		{"@gif", "gif", none},
		{"@tiff", "tiff", none},
		{"@jpg", "jpg", white},
		{"@bmp", "bmp", white},
		{"@jpg,bg=black", "jpg", color.NRGBA{A: 255}},
		{"@png,bg=00ff00", "png", color.NRGBA{G: 255, A: 255}},
		{"@png,bg=#f00", "png", color.NRGBA{R: 255, A: 255}},
		{"@jpg,bg=0000ff80", "jpg", color.NRGBA{R: 127, G: 127, B: 255, A: 255}},
	} {
		wantCorners(t, decode(t, c.to, must(t, c.rest, "png", src)), red, c.want, blue, white)
	}
	if _, err := run(t.Context(), t, "@png,bg=colourless", "png", src, convert.Limits{}); !errors.Is(err, convert.ErrUnsupported) {
		t.Errorf("no colour: %v", err)
	}
	if _, err := run(t.Context(), t, "@thumb,format=pdf", "png", src, convert.Limits{}); !errors.Is(err, convert.ErrUnsupported) {
		t.Errorf("thumb as pdf: %v", err)
	}
}

func TestOrientation(t *testing.T) {
	stored := encode(t, "jpg", quarters(64, 32, red, green, blue, white))
	for _, c := range []struct {
		orientation uint16
		want        [4]color.NRGBA // upright
	}{
		{1, [4]color.NRGBA{red, green, blue, white}},
		{2, [4]color.NRGBA{green, red, white, blue}},
		{3, [4]color.NRGBA{white, blue, green, red}},
		{4, [4]color.NRGBA{blue, white, red, green}},
		{5, [4]color.NRGBA{red, blue, green, white}},
		{6, [4]color.NRGBA{blue, red, white, green}},
		{7, [4]color.NRGBA{white, green, blue, red}},
		{8, [4]color.NRGBA{green, white, red, blue}},
		{9, [4]color.NRGBA{red, green, blue, white}},
	} {
		for name, e := range map[string][]byte{
			"little": exif(binary.LittleEndian, "II\x2a\x00", c.orientation),
			"big":    exif(binary.BigEndian, "MM\x00\x2a", c.orientation),
		} {
			src := jpgWithExif(stored, e)
			for _, rest := range []string{"@png", "@png,w=16,h=16"} {
				got := decode(t, "png", must(t, rest, "jpg", src))
				if tall := got.Bounds().Dy() > got.Bounds().Dx(); tall != (c.orientation >= 5 && c.orientation <= 8) {
					t.Errorf("%d %s %s: size %v", c.orientation, name, rest, got.Bounds())
				}
				wantCorners(t, got, c.want[:]...)
			}
		}
	}
}

func TestOrientationOfPNG(t *testing.T) {
	src := encode(t, "png", quarters(64, 32, red, green, blue, white))
	e := exif(binary.BigEndian, "MM\x00\x2a", 6)
	chunk := binary.BigEndian.AppendUint32(nil, uint32(len(e)))
	body := append([]byte("eXIf"), e...)
	chunk = binary.BigEndian.AppendUint32(append(chunk, body...), crc32.ChecksumIEEE(body))
	const ihdr = 8 + 25
	all := append(append(append([]byte{}, src[:ihdr]...), chunk...), src[ihdr:]...)
	wantCorners(t, decode(t, "jpg", must(t, "@jpg", "png", all)), blue, red, white, green)
}

// A pattern of single pixels must become even: what picks single pixels makes stripes of it.
func TestScalingDoesNotAlias(t *testing.T) {
	img := image.NewGray(image.Rect(0, 0, 1001, 1001))
	for i := range img.Pix {
		img.Pix[i] = uint8(i%2) * 255 // odd stride: a chequerboard
	}
	got := decode(t, "png", must(t, "@png,w=100", "png", encode(t, "png", img)))
	if _, ok := got.(*image.Gray); !ok {
		t.Errorf("gray became %T", got)
	}
	for y := 1; y < 99; y++ {
		for x := 1; x < 99; x++ {
			if r, _, _, _ := got.At(x, y).RGBA(); r>>8 < 118 || r>>8 > 138 {
				t.Fatalf("pixel %d,%d is %d", x, y, r>>8)
			}
		}
	}
}

func noise(w, h int) *image.NRGBA {
	rng := rand.New(rand.NewPCG(3, 4))
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.SetNRGBA(x, y, color.NRGBA{uint8(x), uint8(y), uint8(rng.Uint32() % 64), 255})
		}
	}
	return img
}

func TestI3CompressNeverGrows(t *testing.T) {
	photo := encode(t, "jpg", noise(200, 100))
	last := len(photo)
	for _, level := range []string{"low", "recommended", "high"} {
		b := must(t, "@compress,level="+level, "jpg", photo)
		if decode(t, "jpg", b).Bounds().Size() != image.Pt(200, 100) || len(b) >= last {
			t.Errorf("%s: %d bytes, before %d", level, len(b), last)
		}
		last = len(b)
	}
	small := must(t, "@compress,level=high", "jpg", photo)
	if again := must(t, "@compress,level=low", "jpg", small); !bytes.Equal(again, small) {
		t.Errorf("%d bytes became %d", len(small), len(again))
	}
	flat := encode(t, "png", quarters(100, 100, red, green, blue, none))
	b := must(t, "@compress", "png", flat)
	wantCorners(t, decode(t, "png", b), red, green, blue, none)
	if len(b) >= len(flat) {
		t.Errorf("four colours: %d bytes became %d", len(flat), len(b))
	}
	many := encode(t, "png", noise(200, 100))
	lossless, lossy := must(t, "@compress", "png", many), must(t, "@compress,level=high", "png", many)
	if len(lossless) > len(many) || len(lossy) > len(many)*9/10 {
		t.Errorf("%d bytes became %d and %d", len(many), len(lossless), len(lossy))
	}
	if got := decode(t, "png", lossless); got.At(7, 9) != noise(200, 100).At(7, 9) && color.NRGBAModel.Convert(got.At(7, 9)) != noise(200, 100).At(7, 9) {
		t.Errorf("a pixel became %v", got.At(7, 9))
	}
	if _, err := run(t.Context(), t, "@compress", "png", encode(t, "gif", noise(8, 8)), convert.Limits{}); !errors.Is(err, convert.ErrBroken) {
		t.Errorf("gif named png: %v", err)
	}
}

func TestAnimation(t *testing.T) {
	pal := color.Palette{none, red, green, blue}
	g := gif.GIF{Config: image.Config{Width: 40, Height: 20, ColorModel: pal}, LoopCount: 3}
	for i := range 3 { // the first whole, then parts of it
		f := image.NewPaletted(image.Rect(i*10, 0, 40, 20), pal)
		for p := range f.Pix {
			f.Pix[p] = uint8(i + 1)
		}
		g.Image, g.Delay = append(g.Image, f), append(g.Delay, 10*(i+1))
	}
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, &g); err != nil {
		t.Fatal(err)
	}
	got, err := gif.DecodeAll(bytes.NewReader(must(t, "@gif,w=20", "gif", b.Bytes())))
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Image) != 3 || got.LoopCount != 3 || got.Delay[2] != 30 || got.Config.Width != 20 || got.Config.Height != 10 {
		t.Fatalf("%d frames, %+v", len(got.Image), got.Config)
	}
	last := got.Image[2]
	for x, want := range map[int]color.NRGBA{1: red, 7: green, 15: blue} {
		if c, _ := color.NRGBAModel.Convert(last.At(x, 5)).(color.NRGBA); !near(c, want) {
			t.Errorf("last frame at %d is %v", x, c)
		}
	}
	wantCorners(t, decode(t, "png", must(t, "@png", "gif", b.Bytes())), red, red, red, red)
	if _, err := run(t.Context(), t, "@gif,w=20", "gif", b.Bytes(), convert.Limits{MaxPixels: 2000}); !errors.Is(err, convert.ErrTooLarge) {
		t.Errorf("3 frames of 800 pixels, 2000 allowed: %v", err)
	}
}

func TestContentDecides(t *testing.T) {
	img := quarters(16, 16, red, green, blue, white)
	for _, named := range formats {
		for _, is := range formats {
			src := encode(t, is, img)
			want := corners(decode(t, is, src))
			wantCorners(t, decode(t, "png", must(t, "@png", named, src)), want[:]...)
		}
	}
}

func TestI1I4Hostile(t *testing.T) {
	png := encode(t, "png", noise(64, 64))
	huge := append([]byte{}, png...)
	binary.BigEndian.PutUint32(huge[16:], 50000)
	binary.BigEndian.PutUint32(huge[20:], 50000)
	binary.BigEndian.PutUint32(huge[29:], crc32.ChecksumIEEE(huge[12:29]))
	bmp := encode(t, "bmp", noise(64, 64))
	hugeBMP := append([]byte{}, bmp...)
	binary.LittleEndian.PutUint32(hugeBMP[18:], 60000)
	binary.LittleEndian.PutUint32(hugeBMP[22:], 60000)
	gifBytes := encode(t, "gif", noise(64, 64))
	hugeGIF := append([]byte{}, gifBytes...)
	binary.LittleEndian.PutUint16(hugeGIF[6:], 65535)
	binary.LittleEndian.PutUint16(hugeGIF[8:], 65535)
	jpg := encode(t, "jpg", noise(64, 64))
	hugeJPG := append([]byte{}, jpg...)
	sof := bytes.Index(hugeJPG, []byte{0xff, 0xc0})
	binary.BigEndian.PutUint16(hugeJPG[sof+5:], 65500)
	binary.BigEndian.PutUint16(hugeJPG[sof+7:], 65500)
	tiff := encode(t, "tiff", noise(64, 64))
	for name, c := range map[string]struct {
		src  []byte
		want error
	}{
		"png of 2.5 gigapixels": {huge, convert.ErrTooLarge},
		"bmp of 3.6 gigapixels": {hugeBMP, convert.ErrTooLarge},
		"gif of 4 gigapixels":   {hugeGIF, convert.ErrTooLarge},
		"jpg of 4 gigapixels":   {hugeJPG, convert.ErrTooLarge},
		"empty":                 {nil, convert.ErrBroken},
		"text":                  {[]byte("hello, this is no picture"), convert.ErrBroken},
		"svg":                   {[]byte("<svg xmlns='http://www.w3.org/2000/svg'/>"), convert.ErrBroken},
		"png cut":               {png[:len(png)/2], convert.ErrBroken},
		"png head only":         {png[:20], convert.ErrBroken},
		"jpg cut":               {jpg[:len(jpg)/3], convert.ErrBroken},
		"gif cut":               {gifBytes[:len(gifBytes)/2], convert.ErrBroken},
		"bmp cut":               {bmp[:len(bmp)/2], convert.ErrBroken},
		"tiff cut":              {tiff[:len(tiff)/2], convert.ErrBroken},
		"webp mark only":        {[]byte("RIFF\x10\x00\x00\x00WEBPVP8L"), convert.ErrBroken},
	} {
		for _, rest := range []string{"@jpg", "@thumb", "@gif", "@compress"} {
			if _, err := run(t.Context(), t, rest, "png", c.src, convert.Limits{}); !errors.Is(err, c.want) {
				t.Errorf("%s, %s: %v", name, rest, err)
			}
		}
	}
	if _, err := run(t.Context(), t, "@png,w=60000,h=60000,fit=pad", "png", png, convert.Limits{}); !errors.Is(err, convert.ErrTooLarge) {
		t.Errorf("a canvas of 3.6 gigapixels: %v", err)
	}
	if _, err := run(t.Context(), t, "@png", "png", png, convert.Limits{MaxPixels: 4095}); !errors.Is(err, convert.ErrTooLarge) {
		t.Errorf("4096 pixels, 4095 allowed: %v", err)
	}
	if _, err := run(t.Context(), t, "@bmp", "png", png, convert.Limits{MaxOutput: 1000}); !errors.Is(err, convert.ErrTooLarge) {
		t.Errorf("12 kB, 1 kB allowed: %v", err)
	}
	for _, to := range formats {
		if _, err := run(t.Context(), t, "@"+to, "png", png, convert.Limits{MaxOutput: 50}); !errors.Is(err, convert.ErrTooLarge) {
			t.Errorf("%s with 50 bytes: %v", to, err)
		}
	}
	long := encode(t, "png", image.NewGray(image.Rect(0, 0, 70000, 1)))
	for _, to := range []string{"jpg", "gif", "webp"} {
		if _, err := run(t.Context(), t, "@"+to, "png", long, convert.Limits{}); !errors.Is(err, convert.ErrTooLarge) {
			t.Errorf("%s of 70000 by 1: %v", to, err)
		}
	}
	big := encode(t, "png", image.NewGray(image.Rect(0, 0, 4000, 3001)))
	if _, err := run(t.Context(), t, "@webp", "png", big, convert.Limits{}); !errors.Is(err, convert.ErrTooLarge) {
		t.Errorf("webp of 12 megapixels and more: %v", err)
	}
}

func TestI5Cancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, rest := range []string{"@png", "@gif", "@thumb", "@compress"} {
		if _, err := run(ctx, t, rest, "jpg", encode(t, "jpg", noise(64, 64)), convert.Limits{}); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", rest, err)
		}
	}
}

func TestGIFHasGoodColours(t *testing.T) {
	src := noise(256, 256)
	got := decode(t, "gif", must(t, "@gif", "png", encode(t, "png", src)))
	sum := 0.0
	for y := 0; y < 256; y += 8 { // the means of blocks, which dithering keeps
		for x := 0; x < 256; x += 8 {
			var a, b [3]float64
			for i := range 64 {
				p, q := color.NRGBAModel.Convert(src.At(x+i%8, y+i/8)).(color.NRGBA), color.NRGBAModel.Convert(got.At(x+i%8, y+i/8)).(color.NRGBA)
				for c, v := range [3][2]uint8{{p.R, q.R}, {p.G, q.G}, {p.B, q.B}} {
					a[c] += float64(v[0])
					b[c] += float64(v[1])
				}
			}
			for c := range 3 {
				sum += max(a[c]-b[c], b[c]-a[c]) / 64
			}
		}
	}
	if mean := sum / (3 * 32 * 32); mean > 3 {
		t.Errorf("off by %.1f of 255", mean)
	}
}

func TestEdges(t *testing.T) {
	seen := map[string]bool{}
	for _, e := range images.New().Edges() {
		key := e.Op + " " + e.From
		if seen[key] || e.Cost == 0 {
			t.Errorf("%+v", e)
		}
		seen[key] = true
	}
	if len(seen) != 6*6+6+2 {
		t.Errorf("%d edges", len(seen))
	}
}

func BenchmarkThumb(b *testing.B) {
	src := encode(b, "jpg", noise(6000, 4000))
	b.SetBytes(int64(len(src)))
	for b.Loop() {
		must(b, "@thumb", "jpg", src)
	}
}

func ExampleNew() {
	e := images.New()
	fmt.Println(e.Name(), len(e.Edges()))
	// Output: images 44
}
