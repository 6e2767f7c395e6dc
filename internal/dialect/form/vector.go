package form

import (
	"math"
	"strconv"
)

// AppendVector appends a list of numbers in JSON, each in the fewest digits that are the same float32. They must be finite.
func AppendVector(dst []byte, vector []float32) []byte {
	dst = append(dst, '[')
	for i, f := range vector {
		if i > 0 {
			dst = append(dst, ',')
		}
		format := byte('f')
		if abs := math.Abs(float64(f)); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
			format = 'e'
		}
		dst = strconv.AppendFloat(dst, float64(f), format, -1, 32)
	}
	return append(dst, ']')
}
