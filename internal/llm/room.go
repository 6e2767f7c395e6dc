package llm

// maxRoom is how many blocks' memory is taken at once.
const maxRoom = 32

// A Room is memory for the blocks of one request, which it hands out list by list: blocks are large, and most lists have
// one. The zero Room is ready.
type Room struct {
	free []Block
	left int
}

// RoomFor is a room for about so many blocks.
func RoomFor(n int) Room { return Room{left: n} }

// List is an empty list with room for n blocks.
func (r *Room) List(n int) []Block {
	if n > len(r.free) {
		r.free = make([]Block, max(n, min(r.left, maxRoom)))
	}
	list := r.free[:0:n]
	r.free, r.left = r.free[n:], r.left-n
	return list
}
