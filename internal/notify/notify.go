// Package notify tells users what concerns them: it keeps a notification for each of them, shows it at once wherever they
// look, and sends it to their webhooks.
package notify

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"aihigress/db"
	"aihigress/internal/audit"
	"aihigress/internal/event"
	"aihigress/internal/id"
	"aihigress/internal/secret"
)

// A Severity says how much a notification matters.
type Severity string

// The severities.
const (
	Info    Severity = "info"    // good to know: something is well again
	Warning Severity = "warning" // something is not as it should be
	Error   Severity = "error"   // somebody must do something
)

// A Notification is what one user is told.
type Notification struct {
	ID        id.Notification
	UserID    id.User
	Kind      string // noun.what, as in "provider.down"
	Severity  Severity
	Title     string            // one line of English
	Text      string            // more of it; may be empty
	Subject   string            // typed id of what it is about; may be empty
	Details   map[string]string // what title and text are made of, for those who word it otherwise
	CreatedAt time.Time
	ReadAt    *time.Time
}

// An Inbox keeps notifications and webhooks.
type Inbox struct {
	Options
	q *db.Queries
}

// An Inserter enqueues jobs in the transaction of what they are about.
type Inserter interface {
	InsertTx(ctx context.Context, tx pgx.Tx, args river.JobArgs, opts *river.InsertOpts) (*rivertype.JobInsertResult, error)
}

// A Poster sends a webhook's body to an address that is on the public Internet. Any status is an answer; no redirect is
// followed. A failure has the kind Upstream.
type Poster interface {
	Post(ctx context.Context, url string, header map[string]string, body []byte) (status int, err error)
}

// Options are what an Inbox needs. All are required but the last two.
type Options struct {
	Pool     *pgxpool.Pool
	Audit    *audit.Log
	Keyring  *secret.Keyring
	Inserter Inserter
	Bus      *event.Bus
	Poster   Poster
	Log      *slog.Logger     // nil is slog's default
	Now      func() time.Time // nil is time.Now
}

// New makes an Inbox.
func New(o Options) *Inbox {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Inbox{Options: o, q: db.New()}
}

func fromRow(row db.Notification) Notification {
	n := Notification{
		ID: row.ID, UserID: row.UserID, Kind: row.Kind, Severity: Severity(row.Severity), Title: row.Title, Text: row.Text,
		Subject: row.Subject, CreatedAt: row.CreatedAt, ReadAt: row.ReadAt,
	}
	_ = json.Unmarshal(row.Details, &n.Details) // nothing else writes them; without them title and text say it
	return n
}

func fromRows(rows []db.Notification) []Notification {
	list := make([]Notification, len(rows))
	for i, row := range rows {
		list[i] = fromRow(row)
	}
	return list
}

func uuids[T ~struct{ uuid.UUID }](ids []T) []uuid.UUID {
	list := make([]uuid.UUID, len(ids))
	for i, v := range ids {
		list[i] = struct{ uuid.UUID }(v).UUID
	}
	return list
}
