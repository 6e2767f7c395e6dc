package app

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"aihigress/internal/secret"
)

// A devState is what `dev` must remember to be the same gateway after a restart. It is kept in a 0600 file.
type devState struct {
	MasterKey string `json:"master_key"`
	Email     string `json:"email"`
	Password  string `json:"password"`
	APIKey    string `json:"api_key"`   // "" until the first start has made it
	Simulator string `json:"simulator"` // base URL of the last start
}

// loadDevState reads the state of a data folder; a new folder gets a new state.
func loadDevState(dir string) (devState, error) {
	raw, err := os.ReadFile(filepath.Join(dir, devStateFile))
	if errors.Is(err, fs.ErrNotExist) {
		state := devState{
			MasterKey: base64.StdEncoding.EncodeToString(secret.NewMasterKey()),
			Email:     "admin@example.com",
			Password:  rand.Text(),
		}
		return state, state.save(dir)
	}
	if err != nil {
		return devState{}, fmt.Errorf("read what the last start kept: %w", err)
	}
	var state devState
	if err := json.Unmarshal(raw, &state); err != nil {
		return devState{}, fmt.Errorf("%s in the data folder is damaged: %w", devStateFile, err)
	}
	return state, nil
}

const devStateFile = "dev.json"

// save replaces the file in one step, so that a kill leaves the old one or the new one.
func (s devState) save(dir string) error {
	raw, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	temp := filepath.Join(dir, "."+devStateFile)
	if err := os.WriteFile(temp, append(raw, '\n'), 0o600); err != nil {
		return fmt.Errorf("keep the first sign-in: %w", err)
	}
	if err := os.Rename(temp, filepath.Join(dir, devStateFile)); err != nil {
		return fmt.Errorf("keep the first sign-in: %w", err)
	}
	return nil
}
