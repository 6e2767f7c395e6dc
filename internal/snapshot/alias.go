package snapshot

import (
	"cmp"
	"slices"
	"strings"

	"aihigress/internal/id"
)

// An Alias is another name for a model, or with one * in its pattern for many.
type Alias struct {
	OwnerID id.User // whose keys it counts for; zero is everybody's
	Pattern string
	Target  string // resolved without aliases; a * in it is what that of the pattern stood for
}

// aliases are those of one owner, or the shared ones, indexed. The zero aliases are none.
type aliases struct {
	exact map[string]string // target by name
	heads []head            // of the patterns other than the bare *, sorted by text
	rest  *pattern          // the bare *
}

// A head is what stands before the * in some patterns.
type head struct {
	text     string
	patterns []pattern // longest tail first
	within   int       // the longest other head that this one begins with; -1 where none is
}

// A pattern is an alias with a * in its pattern.
type pattern struct {
	tail          string // what stands behind the *
	before, after string // of the * in the target
	whole         bool   // the target has no *: before is all of it
}

// indexAliases parts the shared aliases from those of users. Of two equal patterns of one owner the last counts.
func indexAliases(list []Alias) (shared aliases, own map[id.User]aliases) {
	own = map[id.User]aliases{}
	for _, a := range list {
		if a.OwnerID.IsZero() {
			shared.add(a)
			continue
		}
		of := own[a.OwnerID]
		of.add(a)
		own[a.OwnerID] = of
	}
	shared.link()
	for owner, of := range own {
		of.link()
		own[owner] = of
	}
	return shared, own
}

func (x *aliases) add(a Alias) {
	before, tail, many := strings.Cut(a.Pattern, "*")
	if !many {
		if x.exact == nil {
			x.exact = map[string]string{}
		}
		x.exact[a.Pattern] = a.Target
		return
	}
	p, filled := pattern{tail: tail}, false
	p.before, p.after, filled = strings.Cut(a.Target, "*")
	p.whole = !filled
	if a.Pattern == "*" {
		x.rest = &p
		return
	}
	at, found := slices.BinarySearchFunc(x.heads, before, compareHead)
	if !found {
		x.heads = slices.Insert(x.heads, at, head{text: before})
	}
	h := &x.heads[at]
	h.patterns = append(slices.DeleteFunc(h.patterns, func(other pattern) bool { return other.tail == tail }), p)
}

func compareHead(h head, text string) int { return strings.Compare(h.text, text) }

// link finishes the index.
func (x *aliases) link() {
	for i := range x.heads {
		h := &x.heads[i]
		slices.SortFunc(h.patterns, func(a, b pattern) int { return cmp.Compare(len(b.tail), len(a.tail)) })
		for h.within = i - 1; h.within >= 0 && !strings.HasPrefix(h.text, x.heads[h.within].text); {
			h.within = x.heads[h.within].within
		}
	}
}

// match is the target for a name by the pattern that fits with the longest literal part, and of two as long by the one with
// more before its *. The bare * is no match.
func (x *aliases) match(name string) (target string, ok bool) {
	// All heads that the name begins with are among the last head not behind it in the order, and those that this is within.
	i, exact := slices.BinarySearchFunc(x.heads, name, compareHead)
	if !exact {
		i--
	}
	var best *pattern
	at, literal := 0, -1
	for ; i >= 0; i = x.heads[i].within {
		h := &x.heads[i]
		if !strings.HasPrefix(name, h.text) {
			continue
		}
		n := len(h.text)
		for j := range h.patterns {
			p := &h.patterns[j]
			if n+len(p.tail) <= literal {
				break // those behind it are shorter still
			}
			if strings.HasSuffix(name[n:], p.tail) {
				best, at, literal = p, n, n+len(p.tail)
				break
			}
		}
	}
	if best == nil {
		return "", false
	}
	return best.fill(name[at : len(name)-len(best.tail)]), true
}

// any is the target of the bare *.
func (x *aliases) any(name string) (target string, ok bool) {
	if x.rest == nil {
		return "", false
	}
	return x.rest.fill(name), true
}

// fill is the target for what the * stood for.
func (p *pattern) fill(stood string) string {
	if p.whole {
		return p.before
	}
	return p.before + stood + p.after
}
