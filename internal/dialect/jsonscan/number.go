package jsonscan

func (s *Scanner) stepNumber(c byte, at int64) (int, error) {
	next, ok := s.number.next(c)
	if !ok {
		return 0, s.endNumber(at)
	}
	s.number = next
	if s.numLen < maxNumber {
		s.num[s.numLen] = c
	}
	s.numLen = min(s.numLen+1, maxNumber+1)
	return 1, nil
}

func (s *Scanner) endNumber(at int64) error {
	switch s.number {
	case numMinus, numDot, numE, numSign:
		return &SyntaxError{at, "unfinished number"}
	case numZero, numInt, numFraction, numExponent:
	}
	var raw []byte
	if s.numLen <= maxNumber {
		raw = s.num[:s.numLen]
	}
	s.close(Number, raw, at)
	return nil
}

// next says where a byte leads in the grammar of numbers, and whether it belongs to the number at all.
func (n number) next(c byte) (number, bool) {
	if '0' <= c && c <= '9' {
		switch n {
		case numMinus:
			if c == '0' {
				return numZero, true
			}
			return numInt, true
		case numZero:
			return n, false
		case numDot:
			return numFraction, true
		case numE, numSign:
			return numExponent, true
		case numInt, numFraction, numExponent:
		}
		return n, true
	}
	switch {
	case c == '.' && (n == numZero || n == numInt):
		return numDot, true
	case c|0x20 == 'e' && (n == numZero || n == numInt || n == numFraction):
		return numE, true
	case (c == '+' || c == '-') && n == numE:
		return numSign, true
	}
	return n, false
}

// Digits is the length of the number at the start of p, 0 where there is none.
func Digits(p []byte) int {
	state, at := numMinus, 0
	if len(p) > 0 && p[0] == '-' {
		at++
	}
	for at < len(p) {
		next, ok := state.next(p[at])
		if !ok {
			break
		}
		state = next
		at++
	}
	switch state {
	case numMinus, numDot, numE, numSign:
		return 0
	case numZero, numInt, numFraction, numExponent:
	}
	return at
}
