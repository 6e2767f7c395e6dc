package sse

import "bytes"

// parse reads the fields of a block. A single data line is returned in place; several are joined in a reused buffer.
func (r *Reader) parse(raw []byte) Event {
	ev := Event{Raw: raw, Kind: Ignored}
	rest := raw[r.lead:]
	lines := 0
	for len(rest) > 0 {
		line := rest
		if i := indexLineEnd(rest); i >= 0 {
			line = rest[:i]
			if rest[i] == '\r' && i+1 < len(rest) && rest[i+1] == '\n' {
				i++
			}
			rest = rest[i+1:]
		} else {
			rest = nil
		}
		if len(line) == 0 {
			continue
		}
		if line[0] == ':' {
			if ev.Kind == Ignored {
				ev.Kind = Comment
			}
			continue
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		if len(value) > 0 && value[0] == ' ' {
			value = value[1:]
		}
		switch string(name) {
		case "data":
			ev.Kind = Message
			switch lines++; lines {
			case 1:
				ev.Data = value
				continue
			case 2:
				r.joined = append(r.joined[:0], ev.Data...)
			}
			r.joined = append(r.joined, '\n')
			r.joined = append(r.joined, value...)
			ev.Data = r.joined
		case "event":
			ev.Name = value
		}
	}
	return ev
}
