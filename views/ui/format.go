package ui

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// Count writes a whole number with a comma between thousands, in both languages.
func Count(n int64) string {
	digits := strconv.FormatInt(n, 10)
	sign := ""
	if digits[0] == '-' {
		sign, digits = "-", digits[1:]
	}
	var b strings.Builder
	b.WriteString(sign)
	for i := range len(digits) {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteByte(digits[i])
	}
	return b.String()
}

// Short writes a number in few characters: 950, 12.3k, 4.56M.
func Short(n float64) string {
	for _, unit := range []struct {
		size   float64
		suffix string
	}{{1e9, "B"}, {1e6, "M"}, {1e4, "k"}} {
		if math.Abs(n) >= unit.size {
			size := unit.size
			if unit.suffix == "k" {
				size = 1e3
			}
			return strconv.FormatFloat(n/size, 'g', 3, 64) + unit.suffix
		}
	}
	return Number(n)
}

// Number writes a number with at most two decimals.
func Number(n float64) string {
	if n == math.Trunc(n) && math.Abs(n) < 1e15 {
		return Count(int64(n))
	}
	return strings.TrimRight(strings.TrimRight(strconv.FormatFloat(n, 'f', 2, 64), "0"), ".")
}

// Duration writes a time span as people compare it: 412 ms, 3.21 s, 2 m 05 s. Zero is a dash, since an unmeasured span
// is stored as zero.
func Duration(d time.Duration) string {
	switch {
	case d <= 0:
		return "–"
	case d < time.Millisecond:
		return strconv.FormatFloat(float64(d)/float64(time.Millisecond), 'f', 1, 64) + " ms"
	case d < time.Second:
		return strconv.FormatInt(d.Milliseconds(), 10) + " ms"
	case d < time.Minute:
		return strconv.FormatFloat(d.Seconds(), 'f', 2, 64) + " s"
	}
	seconds := int64(d.Seconds())
	return strconv.FormatInt(seconds/60, 10) + " m " + strconv.FormatInt(seconds%60+100, 10)[1:] + " s"
}

// Percent writes part of whole as a percentage with one decimal; nothing of nothing is 0%.
func Percent(part, whole int64) string {
	if whole == 0 {
		return "0%"
	}
	return strconv.FormatFloat(float64(part)*100/float64(whole), 'f', 1, 64) + "%"
}

// Rounded is Credits for places with little room: four decimals, or four figures where the amount is smaller than that.
func Rounded(decimal string) string {
	v, err := strconv.ParseFloat(decimal, 64)
	if err != nil || v == 0 {
		return Credits(decimal)
	}
	places := 4
	if size := math.Abs(v); size < 1 {
		places = max(4, 3-int(math.Floor(math.Log10(size))))
	}
	return Credits(strconv.FormatFloat(v, 'f', min(places, 9), 64))
}

// Credits shortens a decimal amount for display: trailing zeros go, two decimals stay. It never rounds.
func Credits(decimal string) string {
	whole, fraction, _ := strings.Cut(decimal, ".")
	fraction = strings.TrimRight(fraction, "0")
	for len(fraction) < 2 {
		fraction += "0"
	}
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return decimal
	}
	grouped := Count(n)
	if n == 0 && strings.HasPrefix(whole, "-") {
		grouped = "-0"
	}
	return grouped + "." + fraction
}
