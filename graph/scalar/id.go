// Package scalar carries the domain's values to GraphQL and back, so that the domain knows nothing of GraphQL.
//
// What does not parse is an Invalid failure: the sender's, not ours.
package scalar

import (
	"fmt"

	"github.com/google/uuid"

	"github.com/99designs/gqlgen/graphql"

	"aihigress/internal/fault"
	"aihigress/internal/id"
)

// The identifiers of inputs. Each is a type of its own that converts to the domain's, as in id.User(in.UserID), because
// gqlgen tells types by package and name alone and so takes all instances of the generic id.Of for one.
type (
	UserID          id.User
	RequestID       id.Request
	SessionID       id.Session
	KeyID           id.Key
	ProviderID      id.Provider
	ProviderKeyID   id.ProviderKey
	ProviderModelID id.ProviderModel
	ModelID         id.Model
	NotificationID  id.Notification
	WebhookID       id.Webhook
	AliasID         id.Alias
	LimitID         id.Limit
	EgressPoolID    id.EgressPool
	EgressProxyID   id.EgressProxy
	RedeemBatchID   id.RedeemBatch
)

// The Marshal functions write an identifier in its typed form.
func MarshalUserID(v UserID) graphql.Marshaler               { return marshal(id.User(v)) }
func MarshalRequestID(v RequestID) graphql.Marshaler         { return marshal(id.Request(v)) }
func MarshalSessionID(v SessionID) graphql.Marshaler         { return marshal(id.Session(v)) }
func MarshalKeyID(v KeyID) graphql.Marshaler                 { return marshal(id.Key(v)) }
func MarshalProviderID(v ProviderID) graphql.Marshaler       { return marshal(id.Provider(v)) }
func MarshalProviderKeyID(v ProviderKeyID) graphql.Marshaler { return marshal(id.ProviderKey(v)) }
func MarshalProviderModelID(v ProviderModelID) graphql.Marshaler {
	return marshal(id.ProviderModel(v))
}
func MarshalModelID(v ModelID) graphql.Marshaler { return marshal(id.Model(v)) }
func MarshalNotificationID(v NotificationID) graphql.Marshaler {
	return marshal(id.Notification(v))
}
func MarshalWebhookID(v WebhookID) graphql.Marshaler         { return marshal(id.Webhook(v)) }
func MarshalAliasID(v AliasID) graphql.Marshaler             { return marshal(id.Alias(v)) }
func MarshalLimitID(v LimitID) graphql.Marshaler             { return marshal(id.Limit(v)) }
func MarshalEgressPoolID(v EgressPoolID) graphql.Marshaler   { return marshal(id.EgressPool(v)) }
func MarshalEgressProxyID(v EgressProxyID) graphql.Marshaler { return marshal(id.EgressProxy(v)) }
func MarshalRedeemBatchID(v RedeemBatchID) graphql.Marshaler { return marshal(id.RedeemBatch(v)) }

// The Unmarshal functions read the typed form of their noun and refuse every other.
func UnmarshalUserID(v any) (UserID, error)       { return parse[id.User, UserID](v) }
func UnmarshalRequestID(v any) (RequestID, error) { return parse[id.Request, RequestID](v) }
func UnmarshalSessionID(v any) (SessionID, error) { return parse[id.Session, SessionID](v) }
func UnmarshalKeyID(v any) (KeyID, error)         { return parse[id.Key, KeyID](v) }
func UnmarshalProviderID(v any) (ProviderID, error) {
	return parse[id.Provider, ProviderID](v)
}
func UnmarshalProviderKeyID(v any) (ProviderKeyID, error) {
	return parse[id.ProviderKey, ProviderKeyID](v)
}
func UnmarshalProviderModelID(v any) (ProviderModelID, error) {
	return parse[id.ProviderModel, ProviderModelID](v)
}
func UnmarshalModelID(v any) (ModelID, error) { return parse[id.Model, ModelID](v) }
func UnmarshalNotificationID(v any) (NotificationID, error) {
	return parse[id.Notification, NotificationID](v)
}
func UnmarshalWebhookID(v any) (WebhookID, error) { return parse[id.Webhook, WebhookID](v) }
func UnmarshalAliasID(v any) (AliasID, error)     { return parse[id.Alias, AliasID](v) }
func UnmarshalLimitID(v any) (LimitID, error)     { return parse[id.Limit, LimitID](v) }
func UnmarshalRedeemBatchID(v any) (RedeemBatchID, error) {
	return parse[id.RedeemBatch, RedeemBatchID](v)
}
func UnmarshalEgressPoolID(v any) (EgressPoolID, error) { return parse[id.EgressPool, EgressPoolID](v) }
func UnmarshalEgressProxyID(v any) (EgressProxyID, error) {
	return parse[id.EgressProxy, EgressProxyID](v)
}

func marshal(v fmt.Stringer) graphql.Marshaler { return graphql.MarshalID(v.String()) }

// typed is an identifier of the domain.
type typed interface {
	~struct{ uuid.UUID }
	String() string
}

func parse[T typed, S ~struct{ uuid.UUID }](v any) (S, error) {
	text, ok := v.(string)
	if !ok {
		return S{}, fault.New(fault.Invalid, "an identifier is a string")
	}
	parsed, err := id.Parse[T](text)
	if err != nil {
		return S{}, fault.Wrap(err, fault.Invalid, "%v", err)
	}
	return S(struct{ uuid.UUID }(parsed)), nil
}
