package e2e

import "testing"

func (m *matrix) checkTable(t *testing.T) {}
