"""What people and programs are told of what happens.

    notices     mails to people
    webhooks    addresses that a tree's administrators have told

Each message is a row, written with what it tells of; workers send it afterwards.
"""
