package fault_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"aihigress/internal/fault"
)

func TestKindSurvivesWrapping(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("create key: %w", fault.Field("name", "name is empty"))
	if !errors.Is(err, fault.Invalid) || errors.Is(err, fault.NotFound) {
		t.Errorf("%v: wrong kind", err)
	}
	if got := fault.KindOf(err); got != fault.Invalid {
		t.Errorf("KindOf = %v", got)
	}
	if e, ok := fault.As(err); !ok || e.Message != "name is empty" || e.Path[0] != "name" {
		t.Errorf("As = %+v, %v", e, ok)
	}
}

func TestUnknownIsInternal(t *testing.T) {
	t.Parallel()
	if got := fault.KindOf(io.EOF); got != fault.Internal {
		t.Errorf("KindOf(io.EOF) = %v", got)
	}
	if _, ok := fault.As(io.EOF); ok {
		t.Error("an internal error's text would be shown")
	}
	wrapped := fault.Wrap(io.EOF, fault.Upstream, "the provider did not answer")
	if !errors.Is(wrapped, io.EOF) || !errors.Is(wrapped, fault.Upstream) {
		t.Error("Wrap lost the cause or the kind")
	}
}

func TestBareKindIsShown(t *testing.T) {
	t.Parallel()
	e, ok := fault.As(fmt.Errorf("load: %w", fault.NotFound))
	if !ok || e.Kind != fault.NotFound || e.Message != "not found" {
		t.Errorf("As = %+v, %v", e, ok)
	}
}
