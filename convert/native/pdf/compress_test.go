package pdf

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"dropfs/convert"
)

// photo is a picture as a camera makes it: soft, with noise.
func photo(w, h int) *image.RGBA {
	r := rand.New(rand.NewPCG(1, 2))
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			v := 128 + 90*math.Sin(float64(x)/60)*math.Cos(float64(y)/45)
			n := r.Float64() * 12
			m.SetRGBA(x, y, color.RGBA{uint8(v + n), uint8(250 - v + n), uint8(v/2 + n), 255})
		}
	}
	return m
}

// album is a page with a photo as JPEG and one, with a mask, that is kept without loss and filtered as PNG does.
func album(t testing.TB, w, h int) []byte {
	t.Helper()
	m := &maker{}
	m.add("<< /Type /Catalog /Pages 2 0 R >>")
	m.add("<< /Type /Pages /Count 1 /Kids [3 0 R] >>")
	m.add("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R /Resources << /XObject << /A 5 0 R /B 6 0 R >> >> >>")
	m.stream("", "q 600 0 0 400 0 400 cm /A Do Q q 600 0 0 400 0 0 cm /B Do Q")
	var b bytes.Buffer
	pic := photo(w, h)
	if err := jpeg.Encode(&b, pic, &jpeg.Options{Quality: 97}); err != nil {
		t.Fatal(err)
	}
	kind := fmt.Sprintf("/Type /XObject /Subtype /Image /Width %d /Height %d /BitsPerComponent 8 ", w, h)
	m.stream(kind+"/ColorSpace /DeviceRGB /Filter /DCTDecode", b.String())
	var rows []byte
	for y := range h {
		rows = append(rows, 1) // each less the one on its left
		for x := range w {
			for c := range 3 {
				v := pic.Pix[4*(y*w+x)+c]
				if x > 0 {
					v -= pic.Pix[4*(y*w+x-1)+c]
				}
				rows = append(rows, v)
			}
		}
	}
	parms := fmt.Sprintf("/DecodeParms << /Predictor 15 /Colors 3 /Columns %d >> ", w)
	m.stream(kind+"/ColorSpace [/ICCBased 7 0 R] /SMask 8 0 R /Filter /FlateDecode "+parms, string(deflate(rows)))
	m.stream("/N 3", "no profile")
	m.stream("/Type /XObject /Subtype /Image /Width 2 /Height 2 /BitsPerComponent 8 /ColorSpace /DeviceGray", "\xff\xff\xff\xff")
	return m.bytes()
}

func TestCompressesPictures(t *testing.T) {
	doc := album(t, 1600, 1200)
	before, _ := decoded(t, mustRun(t, "png,dpi=50", doc))
	last := len(doc)
	for _, level := range []string{"low", "recommended", "high"} {
		out := mustRun(t, "compress,level="+level, doc)
		qpdfCheck(t, out)
		after, _ := decoded(t, mustRun(t, "png,dpi=50", out))
		if d := distance(before, after); d > 0.03 {
			t.Errorf("%s: the page looks different: %.3f", level, d)
		}
		t.Logf("%s: %d bytes of %d", level, len(out), len(doc))
		if len(out) >= last {
			t.Errorf("%s: %d bytes, %d before", level, len(out), last)
		}
		last = len(out)
	}
	if last > len(doc)/20 {
		t.Errorf("%d bytes of %d are left", last, len(doc))
	}
}

// distance is the mean difference of two pictures of one size, from 0 to 1.
func distance(a, b image.Image) float64 {
	if a.Bounds() != b.Bounds() {
		return 1
	}
	sum, n := 0.0, 0
	for y := a.Bounds().Min.Y; y < a.Bounds().Max.Y; y++ {
		for x := a.Bounds().Min.X; x < a.Bounds().Max.X; x++ {
			r1, g1, b1, _ := a.At(x, y).RGBA()
			r2, g2, b2, _ := b.At(x, y).RGBA()
			sum += math.Abs(float64(r1)-float64(r2)) + math.Abs(float64(g1)-float64(g2)) + math.Abs(float64(b1)-float64(b2))
			n += 3
		}
	}
	return sum / float64(n) / 65535
}

func TestCompressKeepsTheText(t *testing.T) {
	doc := numbered(300)
	out := mustRun(t, "compress", doc)
	if len(out) > len(doc)*2/3 {
		t.Errorf("%d bytes of %d", len(out), len(doc))
	}
	if textOf(t, out, "") != textOf(t, doc, "") {
		t.Error("the text is another")
	}
	qpdfCheck(t, out)
	if again := mustRun(t, "compress", out); len(again) > len(out) {
		t.Errorf("once more: %d bytes of %d", len(again), len(out))
	}
}

func TestP6CompressNeverGrows(t *testing.T) {
	small := numbered(1)
	small = mustRun(t, "compress,level=high", small)
	noise := make([]byte, 5000)
	for i := range noise {
		noise[i] = byte(rand.IntN(256))
	}
	m := &maker{}
	m.add("<</Type/Catalog/Pages 2 0 R>>")
	m.add("<</Type/Pages/Count 1/Kids[3 0 R]>>")
	m.add("<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>")
	signed := &maker{}
	signed.add("<< /Type /Catalog /Pages 2 0 R /AcroForm << /SigFlags 3 /Fields [4 0 R] >> >>")
	signed.add("<< /Type /Pages /Count 1 /Kids [3 0 R] >>")
	signed.add("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 99 99] /Annots [4 0 R] >>")
	signed.add("<< /Type /Annot /Subtype /Widget /FT /Sig /T (s) /Rect [0 0 0 0] /P 3 0 R /V 5 0 R >>")
	signed.add("<< /Type /Sig /Filter /Adobe.PPKLite /ByteRange [0 1 2 3] /Contents <%s> >>", strings.Repeat("00", 4000))
	for name, doc := range map[string][]byte{
		"packed": small, "bare": m.bytes(), "trailing noise": append(numbered(1), noise...), "signed": signed.bytes(),
	} {
		for _, level := range []string{"low", "recommended", "high"} {
			out := mustRun(t, "compress,level="+level, doc)
			if len(out) > len(doc) {
				t.Errorf("%s, %s: %d bytes of %d", name, level, len(out), len(doc))
			}
			if name == "signed" && string(out) != string(doc) {
				t.Error("a signature was broken")
			}
		}
	}
	if _, err := run(t, "compress", mustRun(t, "lock,secret=old", small)); !errors.Is(err, convert.ErrLocked) {
		t.Error(err)
	}
}

// Pictures that are not what they say are left as they are.
func TestOddPicturesAreLeftAlone(t *testing.T) {
	for _, kind := range []string{
		"/Width 999999999 /Height 999999999 /BitsPerComponent 8 /ColorSpace /DeviceRGB /Filter /DCTDecode",
		"/Width 40 /Height 40 /BitsPerComponent 8 /ColorSpace /DeviceRGB /Filter /DCTDecode",
		"/Width 40 /Height 40 /BitsPerComponent 8 /ColorSpace /DeviceRGB /Filter /FlateDecode",
		"/Width 40 /Height 40 /BitsPerComponent 8 /ColorSpace 9 0 R /Filter /FlateDecode /DecodeParms << /Predictor 15 >>",
		"/Width -4 /Height 40 /BitsPerComponent 8 /ColorSpace [/ICCBased] /Filter [/FlateDecode /DCTDecode]",
	} {
		o := object{num: 1, isStream: true, stream: bytes.Repeat([]byte("x"), 5000)}
		o.head = []byte("<< /Subtype /Image /Length 5000 " + kind + " >>")
		s := newShrinker(&file{objects: []object{o}}, "high", 11, convert.Limits{}.Resolved())
		s.picture(&o)
		if len(o.stream) != 5000 {
			t.Errorf("%s: %d bytes", kind, len(o.stream))
		}
	}
}

func TestUnfilter(t *testing.T) {
	for filter, want := range map[byte][]byte{
		0: {1, 2, 3, 4}, 1: {1, 3, 6, 10}, 2: {11, 22, 33, 44}, 3: {6, 15, 25, 36}, 4: {11, 22, 33, 44},
	} {
		raw := []byte{0, 10, 20, 30, 40, filter, 1, 2, 3, 4}
		if !unfilter(raw, 5, 1) || !bytes.Equal(raw[6:], want) {
			t.Errorf("filter %d: %v, want %v", filter, raw[6:], want)
		}
	}
	if unfilter([]byte{9, 1}, 2, 1) {
		t.Error("there is no filter 9")
	}
}
