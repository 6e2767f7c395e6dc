package simulator

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
)

// pictureSide is the width and height of the pictures made here, in pixels, whatever size was asked for.
const pictureSide = 8

// picture returns a PNG whose colours depend on the seed.
func picture(seed uint64) []byte {
	img := image.NewRGBA(image.Rect(0, 0, pictureSide, pictureSide))
	for y := range pictureSide {
		for x := range pictureSide {
			shade := uint8(mix(seed, uint64(x), uint64(y)))
			img.Set(x, y, color.RGBA{R: uint8(seed), G: shade, B: uint8(seed >> 8), A: 255})
		}
	}
	var b bytes.Buffer
	_ = png.Encode(&b, img) // a buffer takes everything
	return b.Bytes()
}
