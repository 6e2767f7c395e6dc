package views

import (
	"testing"

	"aihigress/internal/fault"
	"aihigress/internal/id"
)

func TestStreamsAreBounded(t *testing.T) {
	t.Parallel()
	s := places{each: maxStreams}
	user, other := id.New[id.User](), id.New[id.User]()
	leaves := make([]func(), 0, maxStreams)
	for range maxStreams {
		leave, err := s.enter(user)
		if err != nil {
			t.Fatal(err)
		}
		leaves = append(leaves, leave)
	}
	if _, err := s.enter(user); fault.KindOf(err) != fault.Limited {
		t.Errorf("one more than the limit: %v", err)
	}
	if _, err := s.enter(other); err != nil {
		t.Errorf("another person: %v", err)
	}
	leaves[0]()
	if _, err := s.enter(user); err != nil {
		t.Errorf("after one has left: %v", err)
	}
}
