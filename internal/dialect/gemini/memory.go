package gemini

// keepList is how long memory for lists of one type is kept, in elements.
const keepList = 512

// memory is memory for lists that live no longer than one request, which the next one uses again.
type memory[T any] struct {
	all  []T
	free []T // of all
}

// list is an empty list with room for n elements.
func (m *memory[T]) list(n int) []T {
	if n > len(m.free) {
		m.all = make([]T, max(n, 2*len(m.all), 8)) // what was handed out stays with whoever has it
		m.free = m.all
	}
	list := m.free[:0:n]
	m.free = m.free[n:]
	return list
}

// one is an element with a value.
func (m *memory[T]) one(value T) *T { return &append(m.list(1), value)[0] }

// reset takes back what was handed out, and keeps nothing of what stood in it.
func (m *memory[T]) reset() {
	if len(m.all) > keepList {
		m.all = nil
	} else {
		clear(m.all[:len(m.all)-len(m.free)])
	}
	m.free = m.all
}

// wireRoom is the memory of a request that is written.
type wireRoom struct {
	system    wireContent
	config    wireConfig
	contents  memory[wireContent]
	parts     memory[wirePart]
	calls     memory[wireCall]
	results   memory[wireResult]
	tools     memory[wireTool]
	functions memory[wireFunction]
}

func (r *wireRoom) reset() {
	r.system, r.config = wireContent{}, wireConfig{}
	r.contents.reset()
	r.parts.reset()
	r.calls.reset()
	r.results.reset()
	r.tools.reset()
	r.functions.reset()
}
