// Package images is the engine for pictures that needs nothing installed: png, jpg, gif, bmp, tiff and webp in, the same
// out (webp without loss), resized, turned upright, laid on a background, made small for a list, made smaller to send.
//
//	Run ─ open (what it is, how large: from the header) ─ decode ─ shape ─ encode
//	  └── compress: encode, then the smaller of source and result
//	  └── gif to gif: every frame
//
// A picture is decoded as what it is, not as what its name says. What is said of it beside the pixels (EXIF, colour
// profile, comments) is not carried over, but the orientation is applied.
//
// Invariants:
//
//	I1: nothing is decoded whose header says more pixels, or more bytes of them, than the limits allow.
//	I2: a picture is never enlarged.
//	I3: the result of compress is never larger than its source.
//	I4: what is broken, cut off or no picture is ErrBroken: no panic, no half picture.
//	I5: a cancelled run ends at its next read, its next write or its next band of rows.
package images
