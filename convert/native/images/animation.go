package images

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"image"
	"image/draw"
	"image/gif"
	"io"

	"dropfs/convert"
	"dropfs/convert/native/internal/bounded"
)

const maxFrames = 20000

// reel is what a gif holds, as its blocks say.
type reel struct {
	frames int64
	pixels int64 // of all frames
}

// scanGIF walks the blocks of a gif (GIF89a §19 to §27) without unpacking any. It ends quietly where the file does.
func scanGIF(r *bufio.Reader) reel {
	var out reel
	head := make([]byte, 13)
	if _, err := io.ReadFull(r, head); err != nil {
		return out
	}
	skipTable(r, head[10])
	for {
		b, err := r.ReadByte()
		if err != nil {
			return out
		}
		switch b {
		case 0x21:
			if !skipHead(r) {
				return out
			}
		case 0x2c:
			d := head[:9]
			if _, err := io.ReadFull(r, d); err != nil {
				return out
			}
			out.frames++
			out.pixels += int64(binary.LittleEndian.Uint16(d[4:])) * int64(binary.LittleEndian.Uint16(d[6:]))
			skipTable(r, d[8])
			if _, err := r.Discard(1); err != nil { // the size of codes
				return out
			}
		default:
			return out
		}
		if !skipBlocks(r) {
			return out
		}
	}
}

// skipHead passes the label of an extension and its first block, as the decoder does: a plain text has a head of 13 bytes
// whatever it says of its length, and that of an application may be empty.
func skipHead(r *bufio.Reader) bool {
	const plainText, application = 0x01, 0xff
	label, err := r.ReadByte()
	if err != nil {
		return false
	}
	n := 0
	switch label {
	case plainText:
		n = 13
	case application:
		size, err := r.ReadByte()
		if err != nil {
			return false
		}
		n = int(size)
	}
	_, err = r.Discard(n)
	return err == nil
}

// skipTable passes a table of colours where the flags say that there is one.
func skipTable(r *bufio.Reader, flags byte) {
	if flags&0x80 != 0 {
		_, _ = r.Discard(3 << (flags&7 + 1)) // the next read fails as well
	}
}

// skipBlocks passes blocks up to the empty one.
func skipBlocks(r *bufio.Reader) bool {
	for {
		n, err := r.ReadByte()
		if err != nil {
			return false
		}
		if n == 0 {
			return true
		}
		if _, err := r.Discard(int(n)); err != nil {
			return false
		}
	}
}

// animation makes a gif of a gif, frame by frame.
func (p *picture) animation(ctx context.Context, job convert.Job, t target) error {
	if err := p.file.Rewind(); err != nil {
		return err
	}
	r := scanGIF(bufio.NewReader(p.file))
	canvas := int64(p.config.Width) * int64(p.config.Height)
	if r.frames > maxFrames || r.pixels > job.Limits.MaxPixels || r.frames*canvas > job.Limits.MaxPixels {
		return fmt.Errorf("%w: %d frames of %d by %d pixels", convert.ErrTooLarge, r.frames, p.config.Width, p.config.Height)
	}
	if err := p.file.Rewind(); err != nil {
		return err
	}
	in, err := safely(func() (*gif.GIF, error) { return gif.DecodeAll(p.reader()) })
	if err != nil {
		return bounded.Broken(ctx, err)
	}
	out, err := reshape(ctx, job, t, in)
	if err != nil {
		return err
	}
	return write(ctx, job, func(o *bounded.Output) error { return gif.EncodeAll(o, out) })
}

// reshape plays an animation on a canvas and takes each state of it as a whole frame of the result.
func reshape(ctx context.Context, job convert.Job, t target, in *gif.GIF) (*gif.GIF, error) {
	out := &gif.GIF{LoopCount: in.LoopCount, Delay: in.Delay}
	size := image.Rect(0, 0, in.Config.Width, in.Config.Height)
	canvas := image.NewRGBA(size)
	disposal := byte(gif.DisposalNone)
	for i, frame := range in.Image {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		var before *image.RGBA
		if in.Disposal[i] == gif.DisposalPrevious {
			before = image.NewRGBA(size)
			copy(before.Pix, canvas.Pix)
		}
		draw.Draw(canvas, frame.Bounds(), frame, frame.Bounds().Min, draw.Over)
		shaped, err := t.shape(ctx, canvas, 1, job.Limits)
		if err != nil {
			return nil, err
		}
		p, err := paletted(ctx, rgba(shaped))
		if err != nil {
			return nil, err
		}
		if !p.Opaque() {
			disposal = gif.DisposalBackground
		}
		out.Image = append(out.Image, p)
		switch in.Disposal[i] {
		case gif.DisposalBackground:
			draw.Draw(canvas, frame.Bounds(), image.Transparent, image.Point{}, draw.Src)
		case gif.DisposalPrevious:
			canvas = before
		}
		progress(job, float64(i+1)/float64(len(in.Image)))
	}
	out.Disposal = make([]byte, len(out.Image))
	for i := range out.Disposal {
		out.Disposal[i] = disposal
	}
	return out, nil
}
