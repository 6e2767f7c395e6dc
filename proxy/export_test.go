package proxy

import "time"

// A Budget is a budget, for its test.
type Budget struct{ of budget }

// NewBudget makes one.
func NewBudget(limit int64) *Budget { return &Budget{budget{limit: limit}} }

// Take is take.
func (b *Budget) Take(n int64) bool { return b.of.take(n) }

// Give is give.
func (b *Budget) Give(n int64) { b.of.give(n) }

// Wait is wait.
func (b *Budget) Wait(n int64) time.Duration { return b.of.wait(n) }

// LimitHeader is limitHeader, for its test.
var LimitHeader = limitHeader
