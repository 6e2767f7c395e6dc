package health

// Size is how much the board keeps.
func (b *Board) Size() (cells, circuits int) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return len(b.cells), len(b.circuits)
}
