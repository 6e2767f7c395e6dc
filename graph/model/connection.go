// Package model holds what the schema has and the domain has not: inputs, payloads, connections.
package model

import "aihigress/internal/page"

// A Connection is a page of a list as GraphQL shows it.
type Connection[T any] struct {
	page.Page[T]
	HasPrevious bool
}

// An Edge is a row and its cursor.
type Edge[T any] struct {
	Cursor string
	Node   T
}

// PageInfo says where a page begins and ends.
type PageInfo struct {
	HasNextPage     bool
	HasPreviousPage bool
	StartCursor     *string
	EndCursor       *string
}

// Nodes are the rows alone.
func (c Connection[T]) Nodes() []T { return c.Items }

// Edges are the rows with their cursors.
func (c Connection[T]) Edges() []Edge[T] {
	edges := make([]Edge[T], len(c.Items))
	for i, item := range c.Items {
		edges[i] = Edge[T]{Cursor: c.Cursors[i], Node: item}
	}
	return edges
}

// PageInfo says where the page begins and ends.
func (c Connection[T]) PageInfo() PageInfo {
	info := PageInfo{HasNextPage: c.HasNext, HasPreviousPage: c.HasPrevious}
	if n := len(c.Cursors); n > 0 {
		info.StartCursor, info.EndCursor = &c.Cursors[0], &c.Cursors[n-1]
	}
	return info
}

// TotalCount is how many rows the whole list has; nil where nobody counted so far.
func (c Connection[T]) TotalCount() *int { return c.Total }
