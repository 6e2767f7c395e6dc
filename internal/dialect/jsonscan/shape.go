package jsonscan

import "bytes"

const (
	// maxHoles is how many values of a document may differ from those of the one before.
	maxHoles = 16
	// maxShape is how many bytes may be the same.
	maxShape = 2 << 10
)

// Role says what a place with an ID is to a Shape.
type Role uint8

// The roles of places.
const (
	Unlike Role = iota // a document with something here is like no other
	Alike              // being told again of what stands here, byte for byte, changes nothing
	Told               // a string here is text, of which the handler only passes on the parts
)

// Roles are the roles of places by their IDs.
type Roles [256]Role

// A Shape knows the last document that a Scanner read, so that one like it need not be scanned: the events of a stream are
// mostly the one before with another piece of text. Alike are documents that differ in the contents of texts, in strings and
// whole numbers that nobody asked for, and in white space behind values; all else is the same, byte for byte, and what
// differs has no escapes. A scan would take the same steps again, and hand on other texts.
//
// The zero Shape is like nothing.
type Shape struct {
	roles *Roles
	known bool   // a document was learned
	over  bool   // the one at hand cannot be
	fixed []byte // what is the same
	holes []hole
}

// hole is where documents may differ.
type hole struct {
	sort     sort
	at       int // where it is in fixed
	from, to int // where it is in the document at hand, which is being learned or matched
}

type sort uint8

const (
	ofText   sort = iota // the inside of a string that is told, which must not be empty
	ofString             // of one that is not
	ofNumber
	ofSpace
)

// Learn begins to learn the document that a Scanner is about to read, in one piece. Init has the Scanner forget the shape.
func (s *Shape) Learn(by *Scanner, roles *Roles) {
	s.roles, s.known, s.over, s.holes = roles, false, false, s.holes[:0]
	by.shape = s
}

// Learned ends it, once the handler has found that the document was whole and said nothing but texts.
func (s *Shape) Learned(document []byte) {
	if s.over || len(s.holes) == 0 {
		return
	}
	if s.fixed == nil {
		s.fixed = make([]byte, 0, min(len(document), maxShape)) // or else grown a piece at a time
	}
	s.fixed = s.fixed[:0]
	from := 0
	for i := range s.holes {
		h := &s.holes[i]
		if !s.keep(document[from:h.from]) {
			return
		}
		h.at, from = len(s.fixed), h.to
	}
	s.known = s.keep(document[from:])
}

func (s *Shape) keep(fixed []byte) bool {
	if len(s.fixed)+len(fixed) > maxShape {
		return false
	}
	s.fixed = append(s.fixed, fixed...)
	return true
}

// value is told of every value of a document that is being learned.
func (s *Shape) value(id ID, kind Kind, from, to int64) {
	if id == 0 {
		switch kind {
		case String:
			s.add(ofString, from+1, to-1)
		case Number:
			s.add(ofNumber, from, to)
		case Null, Bool, Array, Object:
		}
		return
	}
	switch s.roles[id] {
	case Told:
		if kind == String && to-from > 2 {
			s.add(ofText, from+1, to-1)
		}
	case Unlike:
		s.over = true
	case Alike:
	}
}

// space is told of every byte of white space behind a value.
func (s *Shape) space(at int64) {
	if n := len(s.holes); n > 0 && s.holes[n-1].sort == ofSpace && s.holes[n-1].to == int(at) {
		s.holes[n-1].to++
		return
	}
	s.add(ofSpace, at, at+1)
}

func (s *Shape) add(sort sort, from, to int64) {
	if len(s.holes) == maxHoles {
		s.over = true
		return
	}
	if s.holes == nil {
		s.holes = make([]hole, 0, maxHoles/2)
	}
	s.holes = append(s.holes, hole{sort: sort, from: int(from), to: int(to)})
}

// Match reports whether a document is like the one learned last, and hands its texts to onText, which may be nil.
func (s *Shape) Match(document []byte, onText func(part []byte)) bool {
	if !s.known {
		return false
	}
	at, from := 0, 0
	for i := range s.holes {
		h := &s.holes[i]
		fixed := s.fixed[from:h.at]
		if !bytes.HasPrefix(document[at:], fixed) {
			return false
		}
		at, from = at+len(fixed), h.at
		n, ok := h.sort.fit(document[at:])
		if !ok {
			return false
		}
		h.from, h.to = at, at+n
		at += n
	}
	if !bytes.Equal(document[at:], s.fixed[from:]) {
		return false
	}
	if onText != nil {
		for i := range s.holes {
			if h := &s.holes[i]; h.sort == ofText {
				onText(document[h.from:h.to])
			}
		}
	}
	return true
}

// fit counts the bytes at the start of p that may stand in a hole. What must stand behind them is fixed.
func (s sort) fit(p []byte) (n int, ok bool) {
	switch s {
	case ofText:
		n = Plain(p)
		return n, n > 0
	case ofString:
		return Plain(p), true
	case ofNumber:
		for n < len(p) && '0' <= p[n] && p[n] <= '9' {
			n++
		}
		return n, n == 1 || n > 1 && p[0] != '0'
	case ofSpace:
		return space(p, 0), true
	}
	return 0, false
}
