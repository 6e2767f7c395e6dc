package jsonscan

import (
	"math"
	"strconv"
	"sync"
)

// Check reads a whole document.
func Check(p *Paths, document []byte, h Handler) error {
	s := scanners.Get().(*Scanner)
	defer s.free()
	s.Init(p, h)
	if _, err := s.Write(document); err != nil {
		return err
	}
	return s.End()
}

// scanners are kept for their memory.
var scanners = sync.Pool{New: func() any { return new(Scanner) }}

func (s *Scanner) free() {
	s.Init(nil, nil)
	scanners.Put(s)
}

// Read reads a document as far as it goes: what stands before a mistake is all there is.
func Read(p *Paths, document []byte, h Handler) {
	s := scanners.Get().(*Scanner)
	defer s.free()
	s.Init(p, h)
	_, _ = s.Write(document)
}

// Pass passes on the texts of a document as they come, without escapes, and the values that count raw as they stand. It
// reads as far as Read does; nil counts nothing.
func Pass(p *Paths, document []byte, onText func(part []byte), isText func(ID) bool, isRaw func(ID, Kind) bool) {
	Read(p, document, &Passer{Document: document, OnText: onText, IsText: isText, IsRaw: isRaw})
}

// A Passer is the handler of Pass. Raw values must not stand in one another.
type Passer struct {
	Document []byte
	OnText   func(part []byte)
	IsText   func(ID) bool
	IsRaw    func(ID, Kind) bool
	start    int64 // of the raw value at hand
}

// Open implements Handler.
func (p *Passer) Open(id ID, kind Kind, at int64) {
	if p.IsRaw != nil && p.IsRaw(id, kind) {
		p.start = at
	}
}

// Text implements Handler.
func (p *Passer) Text(id ID, part []byte) {
	if p.IsText != nil && p.IsText(id) {
		p.OnText(part)
	}
}

// Close implements Handler.
func (p *Passer) Close(id ID, kind Kind, _ []byte, at int64) {
	if p.IsRaw != nil && p.IsRaw(id, kind) {
		p.OnText(p.Document[p.start:at])
	}
}

// Keep appends what of a part fits within a limit in bytes.
func Keep(dst, part []byte, limit int) []byte {
	return append(dst, part[:min(len(part), max(0, limit-len(dst)))]...)
}

// Whole reads a whole number of at most 32 bits, however it is written: 1, 1.0, 1e3. What is below them is their least.
func Whole(raw []byte) (int64, bool) {
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || f != math.Trunc(f) || f > math.MaxInt32 {
		return 0, false
	}
	return int64(max(f, math.MinInt32)), true
}

// String names a kind as errors do: "a string".
func (k Kind) String() string {
	return [...]string{Null: "null", Bool: "a boolean", Number: "a number", String: "a string", Array: "an array",
		Object: "an object"}[k]
}
