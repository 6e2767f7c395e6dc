package overload

import (
	"slices"

	"aihigress/internal/id"
)

// A queue is the calls that wait for a target. Gateway keys take turns, and each has its own line, first come first served:
// between two turns of a key every other one has a turn at most, however many calls it sends.
type queue struct {
	turns   []*line // of the keys that have calls waiting, next first
	waiting int
}

// A line is the calls of one gateway key, the next first. It is never empty.
type line struct {
	key   id.Key
	calls []*waiter
}

// add puts a call at the end of its key's line. A key that had none waits for its turn behind all others.
func (q *queue) add(w *waiter) {
	q.waiting++
	if l := q.line(w.key); l != nil {
		l.calls = append(l.calls, w)
		return
	}
	q.turns = append(q.turns, &line{w.key, []*waiter{w}})
}

// next takes the call whose turn it is out of the queue; nil where none waits.
func (q *queue) next() *waiter {
	if len(q.turns) == 0 {
		return nil
	}
	l := q.turns[0]
	w := l.calls[0]
	q.turns = slices.Delete(q.turns, 0, 1)
	if l.calls = slices.Delete(l.calls, 0, 1); len(l.calls) > 0 {
		q.turns = append(q.turns, l)
	}
	q.waiting--
	return w
}

// remove takes out a call that waits no longer. It need not be there.
func (q *queue) remove(w *waiter) {
	l := q.line(w.key)
	if l == nil {
		return
	}
	at := slices.Index(l.calls, w)
	if at < 0 {
		return
	}
	if l.calls = slices.Delete(l.calls, at, at+1); len(l.calls) == 0 {
		q.turns = slices.DeleteFunc(q.turns, func(other *line) bool { return other == l })
	}
	q.waiting--
}

// ahead is how many slots must come free before a further call of the key has had its turn, if nobody else comes.
func (q *queue) ahead(key id.Key) int {
	own := 0
	if l := q.line(key); l != nil {
		own = len(l.calls)
	}
	n := own + 1
	for _, l := range q.turns {
		if l.key != key {
			n += min(len(l.calls), own+1)
		}
	}
	return n
}

func (q *queue) line(key id.Key) *line {
	for _, l := range q.turns {
		if l.key == key {
			return l
		}
	}
	return nil
}
