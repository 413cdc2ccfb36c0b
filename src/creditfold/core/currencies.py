"""ISO 4217 currencies: the decimals of their minor unit, and of the ledger's step for them."""

from __future__ import annotations

_MINOR_0 = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_MINOR_3 = "BHD IQD JOD KWD LYD OMR TND"
_MINOR_4 = "CLF UYW"
_MINOR_2 = (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD "
    "CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS "
    "GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD "
    "LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB "
    "PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP "
    "SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR "
    "ZMW ZWG"
)

MINOR_EXPONENT: dict[str, int] = {
    **dict.fromkeys(_MINOR_0.split(), 0),
    **dict.fromkeys(_MINOR_2.split(), 2),
    **dict.fromkeys(_MINOR_3.split(), 3),
    **dict.fromkeys(_MINOR_4.split(), 4),
}
"""Decimals of a currency's minor unit: what invoices, postings and reports count in."""

LEDGER_EXPONENT = 10
"""Decimals that the unit ledger keeps for a currency: prices like 0.00012345 a token are exact."""

_LOW_VALUE = (
    "CLP COP GNF HUF IDR IRR ISK JPY KHR KRW LAK LBP MGA MMK MNT MWK PYG RWF SLE SOS SYP TZS UGX "
    "UYI UZS VND XAF XOF XPF YER BIF ARS NGN CDF CRC DJF KMF IQD KZT AMD"
)
_LEDGER_LOW_VALUE = 7
"""For currencies worth cents: int64 then still holds 922 thousand million of them in one amount."""

CURRENCY_EXPONENT: dict[str, int] = {
    **dict.fromkeys(MINOR_EXPONENT, LEDGER_EXPONENT),
    **dict.fromkeys(_LOW_VALUE.split(), _LEDGER_LOW_VALUE),
}
