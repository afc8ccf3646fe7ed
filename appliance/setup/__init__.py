"""The first set-up, the same for the browser's wizard and for `merpati init`; and the DNS records it asks for.

It makes the keys and certificates, the administrator and the first account, and writes merpati.yaml last: as long as
that is missing the appliance counts as not set up, so a power cut in the middle costs nothing but a second try.
It may import accounts/, transport/ (keys), tls/, config/, store/ and mail/.
"""
