package db

import (
	"testing"

	"aihigress/internal/devstack/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }
