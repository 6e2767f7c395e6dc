package usage

import (
	"testing"

	"go.uber.org/goleak"

	"aihigress/internal/devstack/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.With(m)) }
