"""SCIM 2.0 (RFC 7643, RFC 7644): a company's directory makes, changes and removes people and groups here.

`resources` says what is served, `people` and `groups` do it over the rooms' operations, `tokens` says who may,
`views` speaks HTTP.
"""
