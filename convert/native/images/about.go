package images

import (
	"encoding/binary"
	"io"
)

// info is what is known of a picture beside its pixels.
type info struct {
	orientation int // EXIF tag 0x0112: 1 to 8
	progressive bool
}

const (
	maxExif   = 1 << 20 // bytes of EXIF that are looked at
	maxChunks = 4096    // of a file that are looked at
)

// about reads what is said beside the pixels. What cannot be read says nothing: the picture may be good all the same.
func about(ext string, r io.ReaderAt) info {
	out := info{orientation: 1}
	var exif []byte
	switch ext {
	case "jpg":
		exif, out.progressive = jpgExif(r)
	case "png":
		exif = pngExif(r)
	case "webp":
		exif = webpExif(r)
	case "tiff":
		exif = slice(r, 0, maxExif)
	}
	if o := exifOrientation(exif); o >= 1 && o <= 8 {
		out.orientation = o
	}
	return out
}

// slice reads up to n bytes at an offset: less at the end of the file, nil where there are none.
func slice(r io.ReaderAt, off int64, n int) []byte {
	b := make([]byte, n)
	got, _ := r.ReadAt(b, off) // what was read is what there is
	return b[:got]
}

// jpgExif walks the segments up to the first scan: ISO 10918-1 annex B. APP1 that begins with Exif holds a TIFF header.
func jpgExif(r io.ReaderAt) (exif []byte, progressive bool) {
	off := int64(2)
	for range maxChunks {
		h := slice(r, off, 4)
		if len(h) < 4 || h[0] != 0xff {
			return exif, progressive
		}
		m := h[1]
		if m == 0xff { // a fill byte
			off++
			continue
		}
		n := int(binary.BigEndian.Uint16(h[2:]))
		switch {
		case m == 0xda || m == 0xd9 || n < 2:
			return exif, progressive
		case m == 0xc2 || m == 0xc6 || m == 0xca || m == 0xce:
			progressive = true
		case m == 0xe1 && exif == nil:
			if b := slice(r, off+4, n-2); len(b) > 6 && string(b[:6]) == "Exif\x00\x00" {
				exif = b[6:]
			}
		}
		off += 2 + int64(n)
	}
	return exif, progressive
}

// pngExif looks for the chunk eXIf.
func pngExif(r io.ReaderAt) []byte {
	off := int64(8)
	for range maxChunks {
		h := slice(r, off, 8)
		if len(h) < 8 || string(h[4:]) == "IEND" {
			return nil
		}
		n := int64(binary.BigEndian.Uint32(h))
		if string(h[4:]) == "eXIf" {
			return slice(r, off+8, int(min(n, maxExif)))
		}
		off += 12 + n
	}
	return nil
}

// webpExif looks for the chunk EXIF.
func webpExif(r io.ReaderAt) []byte {
	off := int64(12)
	for range maxChunks {
		h := slice(r, off, 8)
		if len(h) < 8 {
			return nil
		}
		n := int64(binary.LittleEndian.Uint32(h[4:]))
		if string(h[:4]) == "EXIF" {
			b := slice(r, off+8, int(min(n, maxExif)))
			if len(b) > 6 && string(b[:6]) == "Exif\x00\x00" {
				b = b[6:]
			}
			return b
		}
		off += 8 + n + n%2
	}
	return nil
}

// exifOrientation reads tag 0x0112 of the first directory of a TIFF structure (TIFF 6.0 §2); 0 where there is none.
func exifOrientation(b []byte) int {
	if len(b) < 8 {
		return 0
	}
	var o binary.ByteOrder
	switch string(b[:4]) {
	case "II\x2a\x00":
		o = binary.LittleEndian
	case "MM\x00\x2a":
		o = binary.BigEndian
	default:
		return 0
	}
	at := uint64(o.Uint32(b[4:]))
	if at+2 > uint64(len(b)) {
		return 0
	}
	n := int(o.Uint16(b[at:]))
	for i := range n {
		e := at + 2 + uint64(i)*12
		if e+12 > uint64(len(b)) {
			return 0
		}
		const orientation, short = 0x0112, 3
		if o.Uint16(b[e:]) == orientation && o.Uint16(b[e+2:]) == short {
			return int(o.Uint16(b[e+8:]))
		}
	}
	return 0
}
