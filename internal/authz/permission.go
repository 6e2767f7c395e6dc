package authz

// A Permission is one thing that may be done. Its text is stable: it is shown in refusals and in the audit log.
type Permission string

// The permissions. A new one is added to the roles below, and to nothing else.
const (
	SignIn         Permission = "session.create" // also while signed in: a session is refreshed before it ends
	SessionRead    Permission = "session.read"
	SessionRevoke  Permission = "session.revoke"
	SessionSweep   Permission = "session.sweep" // deletes what has ended: the gateway itself
	UserRead       Permission = "user.read"
	UserWrite      Permission = "user.write" // create, change role, disable
	PasswordChange Permission = "user.password"
	KeyRead        Permission = "key.read"
	KeyWrite       Permission = "key.write"
	ProviderRead   Permission = "provider.read"
	ProviderWrite  Permission = "provider.write"
	ProviderProbe  Permission = "provider.probe" // probe and discover: costs the provider's money
	EgressRead     Permission = "egress.read"
	EgressWrite    Permission = "egress.write" // the proxies that calls leave through
	ModelRead      Permission = "model.read"
	ModelWrite     Permission = "model.write"
	PriceRead      Permission = "price.read"  // how the price catalogue is kept
	PriceWrite     Permission = "price.write" // have it read
	AliasRead      Permission = "alias.read"
	AliasWrite     Permission = "alias.write" // shared ones need all of it
	CreditRead     Permission = "credit.read"
	CreditGrant    Permission = "credit.grant"
	RechargeWrite  Permission = "credit.recharge"
	BudgetWrite    Permission = "credit.budget"
	CodeWrite      Permission = "credit.code"
	CodeRedeem     Permission = "credit.redeem"
	CreditBook     Permission = "credit.book" // leases, charges and their upkeep: the gateway itself
	RequestRead    Permission = "request.read"
	CostRead       Permission = "request.cost" // what the vendor charges
	MetricsRead    Permission = "metrics.read"
	UsageBook      Permission = "usage.book" // the spool's booking, partitions, roll-ups: the gateway itself
	LimitRead      Permission = "limit.read"
	LimitWrite     Permission = "limit.write"
	AuditRead      Permission = "audit.read"
	JobRead        Permission = "job.read"
	JobWrite       Permission = "job.write" // have it tried again, cancelled, forgotten; pause a queue

	NotificationRead Permission = "notification.read" // one's own, and mark them read
	NotificationSend Permission = "notification.send" // and their upkeep: the gateway itself
	WebhookRead      Permission = "webhook.read"
	WebhookWrite     Permission = "webhook.write"
)

// All lists every permission, for the role table's test and for pages that show it.
func All() []Permission {
	return []Permission{
		SignIn, SessionRead, SessionRevoke, SessionSweep, UserRead, UserWrite, PasswordChange, KeyRead, KeyWrite,
		ProviderRead, ProviderWrite, ProviderProbe, EgressRead, EgressWrite, ModelRead, ModelWrite, PriceRead, PriceWrite, AliasRead, AliasWrite,
		CreditRead, CreditGrant, RechargeWrite, BudgetWrite, CodeWrite, CodeRedeem, CreditBook,
		RequestRead, CostRead, MetricsRead, UsageBook, LimitRead, LimitWrite, AuditRead, JobRead, JobWrite,
		NotificationRead, NotificationSend, WebhookRead, WebhookWrite,
	}
}

// roles is the whole policy: what is not in it is refused. The gateway's own bookings and sweeps are in nobody's role.
var roles = map[Role]map[Permission]reach{
	Admin: {
		SignIn: own, SessionRead: all, SessionRevoke: all, UserRead: all, UserWrite: all, PasswordChange: own,
		KeyRead: all, KeyWrite: all, ProviderRead: all, ProviderWrite: all, ProviderProbe: all, EgressRead: all, EgressWrite: all,
		ModelRead: all, ModelWrite: all, PriceRead: all, PriceWrite: all, AliasRead: all, AliasWrite: all, CreditRead: all, CreditGrant: all, RechargeWrite: all, BudgetWrite: all, CodeWrite: all, CodeRedeem: own,
		RequestRead: all, CostRead: all, MetricsRead: all, LimitRead: all, LimitWrite: all, AuditRead: all, JobRead: all, JobWrite: all,
		NotificationRead: own, WebhookRead: own, WebhookWrite: own,
	},
	Member: {
		SignIn: own, SessionRead: own, SessionRevoke: own, UserRead: own, PasswordChange: own, KeyRead: own, KeyWrite: own,
		ProviderRead: own, ModelRead: all, AliasRead: own, AliasWrite: own, CreditRead: own, CodeRedeem: own, RequestRead: own, MetricsRead: own,
		NotificationRead: own, WebhookRead: own, WebhookWrite: own,
	},
}
