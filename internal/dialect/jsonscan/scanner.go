package jsonscan

import (
	"errors"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	// MaxDepth is how deep containers may nest.
	MaxDepth = 1000

	maxKey    = 64 // a longer key matches no path
	maxNumber = 64
)

// ErrDepth reports a document that nests deeper than MaxDepth.
var ErrDepth = errors.New("json: nested too deeply")

// SyntaxError reports bytes that are not JSON.
type SyntaxError struct {
	Offset int64 // of the byte that does not fit
	Reason string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("json: %s at offset %d", e.Reason, e.Offset) }

// Kind is the kind of a value.
type Kind uint8

// The kinds of JSON values.
const (
	Null Kind = iota
	Bool
	Number
	String
	Array
	Object
)

// Handler is told about the values at the places of a Paths, in the order of the document. Slices are valid during the
// call only.
type Handler interface {
	// Open begins a value whose first byte is at the offset.
	Open(id ID, kind Kind, offset int64)
	// Text is a piece of a string, without escapes. Half of a surrogate pair becomes U+FFFD, other bytes are as they are.
	Text(id ID, part []byte)
	// Close ends a value before the offset. Raw is the text of a null, a bool or a number; it is nil for the other kinds and
	// for numbers longer than 64 bytes.
	Close(id ID, kind Kind, raw []byte, offset int64)
}

type state uint8

const (
	wantValue      state = iota
	wantFirstValue       // or the end of the array
	wantFirstKey         // or the end of the object
	wantKey
	wantColon
	wantComma // or the end of the container
	wantNothing
	inString
	inEscape
	inHex
	inLiteral
	inNumber
)

// number is where in the grammar of numbers the scanner is.
type number uint8

const (
	numMinus number = iota
	numZero
	numInt
	numDot
	numFraction
	numE
	numSign
	numExponent
)

// Scanner validates one document. It is not safe for concurrent use, and must not be copied. The zero value is not ready: call
// Init.
type Scanner struct {
	paths   *Paths
	handler Handler
	stack   []frame
	base    int64 // offset of the first byte of the current piece
	err     error

	state state
	isKey bool   // the string at hand is a key
	place int16  // node of the value at hand, or of the one that comes next
	id    ID     // of the scalar at hand
	from  int64  // offset of the scalar at hand
	shape *Shape // that learns the document; nil for none

	hex     rune // what \u has brought so far
	hexLeft uint8
	high    rune // first half of a surrogate pair that waits for the second
	literal string
	matched uint8
	number  number

	keyLen int
	key    [maxKey]byte
	numLen int
	num    [maxNumber]byte
	rune   [utf8.UTFMax]byte

	shallow [16]frame // room for the stack of most documents
}

// frame is an open container.
type frame struct {
	place int16
	array bool
}

// Init gets the scanner ready for a document.
func (s *Scanner) Init(p *Paths, h Handler) {
	s.paths, s.handler = p, h
	if s.stack == nil {
		s.stack = s.shallow[:]
	}
	s.stack = s.stack[:0]
	s.base, s.err, s.shape = 0, nil, nil
	s.state, s.place = wantValue, root
}

// Write takes the next piece of the document. After an error it takes nothing more.
func (s *Scanner) Write(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	for i := 0; i < len(p); {
		if s.shape == nil { // else every byte of white space counts
			if i += s.run(p[i:], s.base+int64(i)); i == len(p) {
				break
			}
		}
		n, err := s.step(p[i:], s.base+int64(i))
		i += n
		if err != nil {
			s.err = err
			return i, err
		}
	}
	s.base += int64(len(p))
	return len(p), nil
}

// End reports whether the document was complete.
func (s *Scanner) End() error {
	if s.err != nil {
		return s.err
	}
	if s.state == inNumber && len(s.stack) == 0 {
		s.err = s.endNumber(s.base)
	}
	if s.err == nil && s.state != wantNothing {
		s.err = &SyntaxError{s.base, "unexpected end"}
	}
	return s.err
}

// step takes at least one byte, or none where a number ended before the byte that has to be looked at again.
func (s *Scanner) step(p []byte, at int64) (int, error) {
	c := p[0]
	switch s.state {
	case inString:
		return s.stepString(p, at)
	case inEscape:
		return 1, s.escape(c, at)
	case inHex:
		return 1, s.stepHex(c, at)
	case inLiteral:
		return s.stepLiteral(p, at)
	case inNumber:
		return s.stepNumber(c, at)
	}
	if c == ' ' || c == '\n' || c == '\r' || c == '\t' {
		if s.shape != nil && s.state == wantComma {
			s.shape.space(at)
		}
		return 1, nil
	}
	switch s.state {
	case wantFirstValue:
		if c == ']' {
			return 1, s.pop(true, at)
		}
		return s.openWith(p, at)
	case wantValue:
		return s.openWith(p, at)
	case wantFirstKey, wantKey:
		if c == '}' && s.state == wantFirstKey {
			return 1, s.pop(false, at)
		}
		if c != '"' {
			return 0, &SyntaxError{at, "expected a key"}
		}
		s.state, s.isKey, s.keyLen, s.high = inString, true, 0, 0
		// The usual key is plain and whole in this piece, with its colon behind it.
		if n := 1 + Plain(p[1:]); n < len(p) && p[n] == '"' {
			s.take(p[1:n])
			s.endKey()
			if n++; n < len(p) && p[n] == ':' {
				s.state = wantValue
				n++
			}
			return n, nil
		}
		return 1, nil
	case wantColon:
		if c != ':' {
			return 0, &SyntaxError{at, "expected a colon"}
		}
		s.state = wantValue
		return 1, nil
	case wantComma:
		return 1, s.comma(c, at)
	}
	return 0, &SyntaxError{at, "unexpected data after the end"}
}

func (s *Scanner) comma(c byte, at int64) error {
	top := s.stack[len(s.stack)-1]
	switch {
	case c == ',' && top.array:
		s.place = s.paths.nodes[top.place].element
		s.state = wantValue
		return nil
	case c == ',':
		s.state = wantKey
		return nil
	case c == ']' || c == '}':
		return s.pop(c == ']', at)
	}
	return &SyntaxError{at, "expected a comma or the end of the container"}
}

// openWith begins a value, and goes on with the rest of it that is a string or a literal: that is one step less.
func (s *Scanner) openWith(p []byte, at int64) (int, error) {
	if err := s.open(p[0], at); err != nil {
		return 1, err
	}
	if len(p) > 1 {
		switch s.state {
		case inString:
			n, err := s.stepString(p[1:], at+1)
			return 1 + n, err
		case inLiteral:
			n, err := s.stepLiteral(p[1:], at+1)
			return 1 + n, err
		}
	}
	return 1, nil
}

// open begins a value by its first byte.
func (s *Scanner) open(c byte, at int64) error {
	s.id, s.from = s.paths.nodes[s.place].id, at
	kind := String
	switch {
	case c == '"':
		s.state, s.isKey, s.high = inString, false, 0
	case c == '{':
		return s.push(false, at)
	case c == '[':
		return s.push(true, at)
	case c == '-' || '0' <= c && c <= '9':
		kind = Number
		s.state, s.numLen = inNumber, 1
		s.num[0] = c
		switch c {
		case '-':
			s.number = numMinus
		case '0':
			s.number = numZero
		default:
			s.number = numInt
		}
	case c == 't' || c == 'f' || c == 'n':
		kind = Bool
		s.state, s.matched = inLiteral, 1
		switch c {
		case 't':
			s.literal = "true"
		case 'f':
			s.literal = "false"
		case 'n':
			s.literal, kind = "null", Null
		}
	default:
		return &SyntaxError{at, "expected a value"}
	}
	if s.id != 0 {
		s.handler.Open(s.id, kind, at)
	}
	return nil
}

func (s *Scanner) push(array bool, at int64) error {
	if len(s.stack) >= MaxDepth {
		return ErrDepth
	}
	s.stack = append(s.stack, frame{s.place, array})
	kind := Object
	s.state = wantFirstKey
	if array {
		kind = Array
		s.state = wantFirstValue
	}
	if s.id != 0 {
		s.handler.Open(s.id, kind, at)
	}
	if array {
		s.place = s.paths.nodes[s.place].element
	}
	return nil
}

func (s *Scanner) pop(array bool, at int64) error {
	top := s.stack[len(s.stack)-1]
	if top.array != array {
		return &SyntaxError{at, "wrong end of a container"}
	}
	s.stack = s.stack[:len(s.stack)-1]
	kind := Object
	if array {
		kind = Array
	}
	s.id = s.paths.nodes[top.place].id
	s.close(kind, nil, at+1)
	return nil
}

// close ends a value and says what may follow.
func (s *Scanner) close(kind Kind, raw []byte, at int64) {
	if s.id != 0 {
		s.handler.Close(s.id, kind, raw, at)
	}
	if s.shape != nil {
		s.shape.value(s.id, kind, s.from, at)
	}
	s.state = wantComma
	if len(s.stack) == 0 {
		s.state = wantNothing
	}
}

// stepString takes a run of plain bytes, or the byte that ends one.
func (s *Scanner) stepString(p []byte, at int64) (int, error) {
	n := Plain(p)
	if n > 0 {
		s.emit(p[:n])
		if n == len(p) {
			return n, nil
		}
	}
	switch p[n] {
	case '\\':
		s.state = inEscape
		return n + 1, nil
	case '"':
	default:
		return n, &SyntaxError{at + int64(n), "control character in a string"}
	}
	s.flushHigh()
	if s.isKey {
		s.endKey()
	} else {
		s.close(String, nil, at+int64(n)+1)
	}
	return n + 1, nil
}

// endKey finds the place that the key at hand leads to.
func (s *Scanner) endKey() {
	s.place = nowhere
	if top := s.stack[len(s.stack)-1]; top.place != nowhere && s.keyLen <= maxKey {
		s.place = s.paths.find(top.place, s.key[:s.keyLen])
	}
	s.state = wantColon
}

// emit takes decoded bytes of the string at hand.
func (s *Scanner) emit(b []byte) {
	s.flushHigh()
	s.take(b)
}

func (s *Scanner) take(b []byte) {
	switch {
	case s.isKey:
		if s.keyLen <= maxKey {
			if copy(s.key[s.keyLen:], b) < len(b) {
				s.keyLen = maxKey + 1
				return
			}
			s.keyLen += len(b)
		}
	case s.id != 0:
		s.handler.Text(s.id, b)
	}
}

func (s *Scanner) takeRune(r rune) {
	n := utf8.EncodeRune(s.rune[:], r)
	s.take(s.rune[:n])
}

// flushHigh gives up waiting for the second half of a surrogate pair.
func (s *Scanner) flushHigh() {
	if s.high != 0 {
		s.high = 0
		s.takeRune(utf8.RuneError)
	}
}

func (s *Scanner) escape(c byte, at int64) error {
	s.state = inString
	if c == 'u' {
		s.state, s.hex, s.hexLeft = inHex, 0, 4
		return nil
	}
	if c = escapes[c]; c == 0 {
		return &SyntaxError{at, "unknown escape"}
	}
	s.flushHigh()
	s.rune[0] = c
	s.take(s.rune[:1])
	return nil
}

func (s *Scanner) stepHex(c byte, at int64) error {
	var digit byte
	switch {
	case '0' <= c && c <= '9':
		digit = c - '0'
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		digit = c | 0x20 - 'a' + 10
	default:
		return &SyntaxError{at, "expected a hexadecimal digit"}
	}
	s.hex = s.hex<<4 | rune(digit)
	if s.hexLeft--; s.hexLeft > 0 {
		return nil
	}
	s.state = inString
	if s.high != 0 {
		if r := utf16.DecodeRune(s.high, s.hex); r != utf8.RuneError {
			s.high = 0
			s.takeRune(r)
			return nil
		}
		s.flushHigh()
	}
	if 0xd800 <= s.hex && s.hex < 0xdc00 {
		s.high = s.hex
		return nil
	}
	s.takeRune(s.hex) // EncodeRune turns a lone second half into U+FFFD
	return nil
}

func (s *Scanner) stepLiteral(p []byte, at int64) (int, error) {
	n := 0
	for ; n < len(p) && int(s.matched) < len(s.literal); n++ {
		if s.literal[s.matched] != p[n] {
			return n, &SyntaxError{at + int64(n), "unknown literal"}
		}
		s.matched++
	}
	if int(s.matched) < len(s.literal) {
		return n, nil
	}
	kind := Bool
	if s.literal == "null" {
		kind = Null
	}
	copy(s.num[:], s.literal)
	s.close(kind, s.num[:len(s.literal)], at+int64(n))
	return n, nil
}
