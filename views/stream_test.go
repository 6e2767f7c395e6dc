package views

import (
	"testing"

	"aihigress/internal/id"
)

func TestStreamsAreBounded(t *testing.T) {
	t.Parallel()
	s := places{each: maxStreams}
	user, other := id.New[id.User](), id.New[id.User]()
	leaves := make([]func(), 0, maxStreams)
	for range maxStreams {
		leave, ok := s.enter(user)
		if !ok {
			t.Fatalf("only %d", len(leaves))
		}
		leaves = append(leaves, leave)
	}
	if _, ok := s.enter(user); ok {
		t.Error("one more than the limit")
	}
	if _, ok := s.enter(other); !ok {
		t.Error("another person has no place")
	}
	leaves[0]()
	if _, ok := s.enter(user); !ok {
		t.Error("no place after one has left")
	}
	s.all = maxStreams + 1
	if _, ok := s.enter(id.New[id.User]()); ok {
		t.Error("more than there are for all")
	}
}
